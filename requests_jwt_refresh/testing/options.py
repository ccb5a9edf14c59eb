"""The server's options, which every part of it may read: values, and nothing else."""

from __future__ import annotations

import functools
import secrets
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from requests_jwt_refresh.testing.faults import Status
from requests_jwt_refresh.testing.likes import find_shape
from requests_jwt_refresh.testing.rendering import find_slot
from requests_jwt_refresh.testing.shapes import EXPIRIES, InField, Slot, throttle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from requests_jwt_refresh.testing.shapes import Shape

_Options = TypeVar("_Options", bound="ServerOptions")

_INVALID_JWT = Status(
    401,
    body=b'{"message": "Invalid JWT"}',
    headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},  # RFC 6750 §3
)


# One token endpoint for all grants; a public client, as programs with users have.
_OPENID: Mapping[str, Any] = {"refresh_path": "/auth/token", "client_secret": None}
_THROTTLED = throttle({"message": "Too Many Requests"})


def note_given(options: type[_Options]) -> type[_Options]:
    """Make a class of options remember which of them its user gave."""
    initialize = options.__init__

    @functools.wraps(initialize)
    def initialize_noted(self: _Options, **given: Any) -> None:
        self._given = frozenset(given)
        initialize(self, **given)

    options.__init__ = initialize_noted  # type: ignore[assignment, method-assign]
    return options


@note_given
@dataclass(kw_only=True, eq=False, repr=False)
class ServerOptions:
    """How an `AuthServer` behaves: its arguments, by name, and its attributes.

    ```python
    with AuthServer(lifetime=60, opaque=True) as server:
        server.rotate = False  # from now on the refresh token stays
    ```

    All but `like` and `openid` may be changed between requests.
    """

    like: str | None = None
    """The known server to play, such as ``"github"``: see AuthServer. It sets the options below
    that are not given. Raises ValueError for a name that is not known."""
    lifetime: float = 300.0
    """Seconds an access token lives. 0 gives tokens that have expired already."""
    rotate: bool = True
    """Whether a refresh replaces the refresh token too (RFC 6749 §6)."""
    detect_reuse: bool = True
    """Whether the second use of a rotated refresh token revokes its whole family
    (RFC 6749 §10.4)."""
    grace: float = 0.0
    """Seconds in which a second use is answered with the family's newest tokens instead."""
    revoke_old_access: bool = False
    """Whether an access token expires the moment its family is given a newer one."""
    opaque: bool = False
    """Whether access tokens are random strings instead of JWTs (RFC 7519)."""
    clock_skew: float = 0.0
    """Seconds by which the clock that writes iat and exp is ahead of ours."""
    read_body_first: bool = True
    """If False, an upload without a good token is answered before its body was read. Keep-alive is
    promised, and the connection closed when the next request arrives on it, which is the worst
    moment."""
    expired: Status = _INVALID_JWT
    """The API's response to an access token that has expired or was never good."""
    refresh_path: str = "/auth/refresh"
    """Where refresh tokens are taken."""
    request_field: str = "refresh_token"
    """The field of the refresh request that holds the refresh token."""
    access_field: str = "access_token"
    """The field of a response that holds the access token."""
    refresh_field: str = "refresh_token"
    """The field of a response that holds the refresh token."""
    expires_field: str | None = "expires_in"
    """None: the response does not say how long the token lives."""
    status: int = 200
    """The HTTP status of a response that gives tokens."""
    bare: bool = False
    """Whether a refresh is answered with the access token alone, as a JSON string."""
    device_lifetime: float = 600.0
    """Seconds a device code lives, from when it is given (RFC 8628 §3.2)."""
    device_interval: float = 5.0
    """Seconds between two polls with a device code, as its response says (RFC 8628 §3.2)."""
    client_id: str = "client-id"
    """The OAuth 2.0 client that a known server or an OpenID provider knows."""
    client_secret: str | None = "client-secret"  # noqa: S105 - an example
    """Its secret; None makes it a public client (RFC 6749 §2.1)."""
    api_key: str = "api-key"
    """The key that a known server wants beside the tokens, if it wants one (Firebase, Supabase)."""
    openid: bool = False
    """Whether it is an OpenID provider as well: see AuthServer. Not with `like`: ValueError."""
    issuer: str | None = None
    """Who an OpenID provider says it is; None is the truth, its URL."""
    scopes: Sequence[str] = ("openid", "profile", "email")
    """What may be asked of it, beside ``offline_access``. What is not known is not granted."""
    refresh_tokens: Literal["asked", "always", "never"] = "asked"
    """Which logins get a refresh token there. ``"asked"``: those that ask for the scope
    ``offline_access``, with ``prompt=consent`` if it is by a browser (OpenID Connect Core §11).
    With the others there is no such scope."""
    consent: bool | None = None
    """What the person says who is asked there; None shows a page and lets a browser answer. The
    other two answer at once, as ``login_hint`` or alice."""
    redirect_uris: Sequence[str] | None = None
    """Where it sends the codes of `client_id`; None is any http URI of this machine. The port of
    such a URI may be another one (RFC 8252 §7.3)."""
    response_modes: Sequence[str] = ("query", "form_post")
    """How it hands out codes."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What it says of itself other than the truth; a value of None leaves a field out."""
    resource_metadata: Mapping[str, Any] = field(default_factory=dict)
    """Likewise what its API says (RFC 9728)."""
    callback_fields: Mapping[str, str | None] = field(default_factory=dict)
    """Likewise what it sends to redirect URIs: ``state``, ``iss``, ``code``, ``error``."""
    id_token_claims: Mapping[str, Any] = field(default_factory=dict)
    """Likewise what it writes into ID tokens."""
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """The key of the JWTs' HS256 (RFC 7518 §3.2)."""
    _given: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        if self.openid and self.like is not None:
            raise ValueError(f"openid=True and like={self.like!r}: give one of them")
        self.shape: Shape | None = None if self.like is None else find_shape(self.like)
        usual = _OPENID if self.openid else {}
        for name, value in (usual if self.shape is None else list_options(self.shape)).items():
            if not self._is_given(name):
                setattr(self, name, value)

    def _is_given(self, name: str) -> bool:
        given: frozenset[str] | None = getattr(self, "_given", None)
        if given is not None:
            return name in given
        # The options of a user's own class, whose __init__ notes nothing.
        (default,) = (each.default for each in fields(self) if each.name == name)
        return bool(getattr(self, name) != default)

    @property
    def throttled(self) -> Status:
        """How the server says "not so often": a fault, for fail().

        ```python
        server.fail(server.throttled)  # the next refresh
        ```
        """
        return _THROTTLED if self.shape is None else self.shape.throttled

    @property
    def prefixes(self) -> tuple[str, str]:
        """How access tokens and refresh tokens begin."""
        return ("", "") if self.shape is None else self.shape.prefixes


def list_options(shape: Shape) -> dict[str, Any]:
    """Return the options of a known server."""
    found: dict[str, Any] = {"expired": shape.api_errors.find("expired")}
    if shape.refresh:
        ask = shape.refresh[0]
        fields = [each.path for each in ask.secret if isinstance(each, InField)]
        found |= {"refresh_path": ask.path, "request_field": fields[0] if fields else ""}
        found |= {"expires_field": None, **list_field_options(shape)}
    return {**found, **shape.options}


def list_field_options(shape: Shape) -> dict[str, str]:
    """Return the options that name a field of the response to a refresh, by their names."""
    if not shape.refresh:
        return {}
    answer = shape.refresh[0].answer
    found = {
        "access_field": find_slot(answer, Slot.ACCESS),
        "refresh_field": find_slot(answer, Slot.REFRESH, Slot.KEPT),
        "expires_field": find_slot(answer, *EXPIRIES),
    }
    return {name: path for name, path in found.items() if path is not None}
