"""The shape of a known server's requests and responses, as data. likes/ has one for each server."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from requests_jwt_refresh.testing.faults import Status
from requests_jwt_refresh.testing.values import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping


class Slot(Enum):
    """What is filled in where it stands in a template."""

    ACCESS = "the access token"
    REFRESH = "the refresh token; the field is left out where the old one stays good"
    KEPT = "the refresh token, the old one too where it stays good"
    SECONDS = "the access token's lifetime"
    SECONDS_AS_TEXT = "the lifetime as a string"
    MILLISECONDS = "the lifetime in milliseconds"
    EPOCH = "the end of the access token in seconds since the epoch"
    EPOCH_MS = "the end in milliseconds since the epoch"
    DATE = "the end as RFC 3339 has it"
    REFRESH_SECONDS = "the refresh token's lifetime"
    ACCESS_CSRF = "the value that goes with the access token against forgery"
    REFRESH_CSRF = "the same for the refresh token"
    SESSION_CSRF = "the same for all tokens of one login"
    USER = "the user's name"
    NOW_MS = "the present moment in milliseconds since the epoch"


EXPIRIES = (
    Slot.SECONDS,
    Slot.SECONDS_AS_TEXT,
    Slot.MILLISECONDS,
    Slot.EPOCH,
    Slot.EPOCH_MS,
    Slot.DATE,
)


@dataclass(frozen=True)
class Csrf:
    """A header that unsafe requests must have beside a cookie.

    Its value is that of `cookie` in the same request, or without one the value that was given with
    the token.
    """

    header: str
    cookie: str | None = None


@dataclass(frozen=True)
class InHeader:
    """A header, and the scheme that stands in it before the token; None is the bare token."""

    name: str = "Authorization"
    scheme: str | None = "Bearer"


@dataclass(frozen=True)
class InCookie:
    """A cookie, and what must repeat its CSRF value."""

    name: str
    csrf: Csrf | None = None
    hidden_by: str | None = None
    """A header beside which the server does not look for the cookie, whatever is in it."""


@dataclass(frozen=True)
class InField:
    """A field of the body, by its dotted path."""

    path: str


@dataclass(frozen=True)
class InQuery:
    """A parameter of the query."""

    name: str


@dataclass(frozen=True)
class InPath:
    """The last segment of the path."""


RequestPlace = InHeader | InCookie | InField | InQuery | InPath


@dataclass(frozen=True)
class SetCookie:
    """A cookie of a response; a slot of None deletes it."""

    name: str
    slot: Slot | None
    attributes: str = "Path=/; HttpOnly"


@dataclass(frozen=True)
class Template:
    """A response. Slots in the body, which becomes JSON, and in the headers are filled in."""

    body: Any = None
    """None is no body."""
    status: int | None = None
    """None is ServerOptions.status for what gives tokens, else 200, or 204 without a body."""
    headers: Mapping[str, str | Slot] = field(default_factory=dict, hash=False)
    cookies: tuple[SetCookie, ...] = ()


NoStatus = Status | None


@dataclass(frozen=True)
class Errors:
    """How a server says no. What is None is said as its docstring tells."""

    refused: Status
    """A token or a password that is not good, and whatever has no word of its own."""
    expired: NoStatus = None
    """An access token whose end has come; as `refused`."""
    garbage: NoStatus = None
    """A token that this server never gave; as `refused`."""
    reused: NoStatus = None
    """A refresh token that was used before; as `refused`."""
    missing: NoStatus = None
    """No token at all, or not where the server looks for it; as `refused`."""
    shape: NoStatus = None
    """A wrong encoding, field or header; as `missing`."""
    field: NoStatus = None
    """A field without which the server does not go on; as `shape`."""
    client: NoStatus = None
    """An OAuth 2.0 client that it does not know; as `shape`."""
    no_key: NoStatus = None
    """No API key; as `shape`."""
    bad_key: NoStatus = None
    """A wrong API key; as `no_key`."""
    csrf: NoStatus = None
    """No CSRF value; as `shape`."""
    bad_csrf: NoStatus = None
    """A wrong CSRF value; as `csrf`."""
    method: NoStatus = None
    """Another method than the server's; 405."""

    def find(self, name: str) -> Status:
        """Return how the server says `name`, which is one of the fields above."""
        found: NoStatus = getattr(self, name)
        if found is not None:
            return found
        return _METHOD if name == "method" else self.find(_INSTEAD[name])


_METHOD = Status(405, body=b'{"message": "Method Not Allowed"}')
_INSTEAD = {
    "expired": "refused",
    "garbage": "refused",
    "reused": "refused",
    "missing": "refused",
    "shape": "missing",
    "field": "shape",
    "client": "shape",
    "no_key": "shape",
    "bad_key": "no_key",
    "csrf": "shape",
    "bad_csrf": "csrf",
}

Encoding = Literal["json", "form", "query", "amz-json", "empty"]
ClientAuth = Literal["basic", "post", "public", "nobody"]
Trade = Literal[
    "refresh", "live", "extend", "window", "client", "assertion", "password", "end", "end-live"
]
"""What a request does with what it hands in.

refresh: trades a refresh token in. live: trades an access token in that has not expired. extend:
lengthens the life of such a one. window: trades an access token in, expired or not. client: needs
nothing but the client. assertion: trades another's token in. password: logs in. end: logs out.
end-live: logs out by an access token that has not expired.
"""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request to the token server: what it must look like, and what it gets."""

    path: str
    """With a ``*`` for its last segment if anything may stand there."""
    errors: Errors
    answer: Template
    trade: Trade = "refresh"
    secret: tuple[RequestPlace, ...] = ()
    """Where the token or the password is: the first of them that is filled."""
    prefix: str = ""
    """How what is handed in begins. Without it the request means something else."""
    user: RequestPlace | None = None
    access: RequestPlace | None = None
    """Where the access token is, if the server wants it beside the refresh token."""
    guard: InCookie | None = None
    """A cookie that need not be there, but whose CSRF value must, if it is."""
    method: str = "POST"
    encoding: tuple[Encoding, ...] = ("json",)
    """Which bodies it reads; () reads none, and lets any pass."""
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What must be in the body, by its dotted path."""
    query: Mapping[str, str] = field(default_factory=dict, hash=False)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    needs: tuple[str, ...] = ()
    """Fields that must be there, whatever they say."""
    key: InHeader | InQuery | None = None
    """Where the API key is."""
    client: tuple[ClientAuth, ...] = ()
    """How the client may authenticate; () is not at all."""
    client_field: str = "client_id"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A known server. An entry of likes/ is one of these, and nothing else is needed."""

    refresh: tuple[Ask, ...] = ()
    """The ways to a new access token. What means none of them is held against the first."""
    login: tuple[Ask, ...] = ()
    """Likewise for logins."""
    logout: Ask | None = None
    api: tuple[InHeader | InCookie, ...] = (InHeader(),)
    """Where an API request has its access token: the first of them that is filled."""
    api_errors: Errors
    api_key: InHeader | None = None
    dpop: bool = False
    """Whether tokens are bound to keys, and each request proves its own (RFC 9449)."""
    expired_batch: Status | None = None
    """The same as ServerOptions.expired to a request that is a JSON list."""
    renewed: str | None = None
    """The header in which each good answer of the API hands out a newer access token."""
    throttled: Status
    """How the server says "not so often"."""
    appends_slash: bool = False
    """Whether a path that lacks the slash at its end is redirected (301) to the one with it."""
    is_form_by_default: bool = False
    """Whether its token endpoint writes forms to all who do not ask for JSON."""
    prefixes: tuple[str, str] = ("", "")
    """How access tokens and refresh tokens begin."""
    refresh_lifetime: int = 2_592_000
    """Seconds that Slot.REFRESH_SECONDS tells."""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What is set in ServerOptions, unless its user has set it."""


def say(status: int, content: Any = None, **headers: str) -> Status:
    """Return a response with `content` as JSON; ``_`` in a header's name is written ``-``.

    >>> say(401, {"message": "no"}, WWW_Authenticate="Bearer").headers
    {'WWW-Authenticate': 'Bearer'}
    """
    body = b"" if content is None else json_response(status, content).body
    return Status(status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def throttle(content: Any = None, status: int = 429, retry_after: float | str | None = 1) -> Status:
    """Return a response that says "not so often" (RFC 6585 §4)."""
    body = b"" if content is None else json_response(status, content).body
    return Status(status, retry_after, body)
