"""How to ask for a new token; how to read the response is in responses.py.

An endpoint is a frozen value with two verbs: ``ask`` makes the request, ``read`` turns the response
into a Token. It sends nothing itself, so that one can be tried without a network; only the
refresher sends.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote

import requests
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh.authorization import (
    AUTHORIZATION,
    Cookie,
    Header,
    Place,
    check_header_name,
    check_place,
)
from requests_jwt_refresh.client_auth import CLIENT_AUTHS, ClientAuth
from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.lifetimes import UNITS
from requests_jwt_refresh.matching import (
    Matcher,
    any_401,
    bare_statuses,
    check_matcher,
    check_path,
    check_rejected,
    status_codes,
)
from requests_jwt_refresh.responses import (
    DefaultPath,
    TokenResponse,
    quote_list,
    read_json,
    read_oauth2,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from requests_jwt_refresh.tokens import Token

Refusals: TypeAlias = tuple[int, ...] | Matcher
"""What is a refusal: statuses, or a matcher that is asked about the response."""

ENCODINGS: Final = ("json", "form", "query")
"""How a JSONEndpoint sends its fields: as a JSON body, as a form, or in the URL's query."""

_ACCEPT: Final = {"Accept": "application/json"}
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
# RFC 9110 §5.5, without spaces at either end.
_HEADER_VALUE = re.compile(
    r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?"
)

# What may be shown of a URL's query: short words, but none that is called a key.
_SECRET_NAME = re.compile("key|secret|token|pass|code|sig|auth", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,15}")


class Endpoint(Protocol):
    """Where and how to ask for a new token. Anything with these four is an endpoint.

    For a server that none of the ready ones fits, a callable ``(session, token) -> Token`` is
    enough; it is taken wherever an endpoint is.

    An endpoint may also say, each by an attribute: ``needs_refresh_token = False``, that it asks
    without one (its ``ask`` gets None where there is no token); ``hands_in_access = True``, that
    its requests carry the access token; and ``needs_live_token = True``, that they carry nothing
    else, so that the token is renewed before its end.
    """

    @property
    def url(self) -> str:
        """The URL to ask, absolute or relative to the base URL."""

    @property
    def when(self) -> Matcher:
        """What this server's "your token has expired" looks like."""

    def ask(self, url: str, token: Token, /) -> requests.Request:
        """Return the request that trades ``token.refresh`` for new tokens.

        `url` is absolute: the endpoint's own, below the base URL if that is relative.
        """

    def read(self, response: TokenResponse, /) -> Token:
        """Return the new token; its ``refresh`` is None if the response has none.

        Raises RefreshRejected if the server refused the refresh token, RefreshUnavailable for
        every other response that holds no token.
        """


@dataclass(frozen=True, repr=False)
class _CallRepr:
    """Prints an endpoint as the call that makes it, without its secrets."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A pickle of 0.1 lacks the options that came later.
        known = {each.name: _default_of(each) for each in dataclasses.fields(self)}
        vars(self).update({**known, **state})

    def __repr__(self) -> str:
        arguments = [
            _format_argument(each, getattr(self, each.name))
            for each in sorted(dataclasses.fields(self), key=lambda each: bool(each.kw_only))
            if getattr(self, each.name) != _default_of(each)
        ]
        return f"{type(self).__name__}({', '.join(arguments)})"


@dataclass(frozen=True, repr=False)
class JSONEndpoint(_CallRepr):
    """Post the refresh token as JSON, read the new tokens out of JSON; or from other places.

    A place is where a token travels: the path of a JSON field, which is its name, or several with
    dots between them, into objects and lists (``"data.tokens.0"``); or what `header` or `cookie`
    makes.

    Args:
        url: the URL to ask, absolute or relative to the base URL. A query in it is kept, and not
            shown.
        send: the place in the request that holds the refresh token; None if only the access token
            is handed in.
        access: the place in the response that holds the access token; None if the whole body is
            the token, as a JSON string or as plain text.
        refresh: the place that holds a new refresh token; None if there never is one. Where it is
            missing, the old refresh token stays.
        expires_in: the field that holds the access token's lifetime in seconds, or the moment when
            it ends, in seconds or milliseconds since the epoch; None if there is none. A JWT that
            says its own lifetime needs none; of several ends, the earliest counts.
        expires_in_unit: ``"ms"`` if `expires_in` has milliseconds.
        expires_at: the field that holds the moment when the access token ends: in seconds or
            milliseconds since the epoch, as a date of RFC 3339, or as an HTTP-date.
        ok: the statuses of a response with tokens.
        rejected: what is a refusal, after which a new login is needed: statuses, or a matcher such
            as ``json_field("error", "token_revoked")``, which is asked about each response without
            an access token, whatever its status. Every other response leaves the tokens as they
            are, and so does one that says "not so often": with Retry-After, or an error code such
            as ``TooManyRequestsException``.
        extra: what else to put into the request's JSON; it may hold secrets, and is not shown.
        headers: more headers of the request; they may hold secrets, and are not shown.
        method: the HTTP method.
        encode: how the fields are sent: ``"json"``, ``"form"``, or ``"query"``, in the URL, which
            servers and proxies write into their logs.
        send_access: the place in the request that holds the access token, beside the refresh token
            or, with ``send=None``, instead of it.
        when: the server's own rule for "your token has expired".

    Raises ValueError or TypeError for options that make no sense.

    >>> JSONEndpoint("/auth/refresh", send="refreshToken", access="data.accessToken")
    JSONEndpoint('/auth/refresh', send='refreshToken', access='data.accessToken')

    """

    url: str
    send: Place | None = field(default="refresh_token", kw_only=True)
    access: Place | None = field(default="access_token", kw_only=True)
    refresh: Place | None = field(default=DefaultPath("refresh_token"), kw_only=True)
    expires_in: str | None = field(default="expires_in", kw_only=True)
    expires_in_unit: str = field(default="s", kw_only=True, metadata={"choices": UNITS})
    expires_at: str | None = field(default=None, kw_only=True)
    ok: tuple[int, ...] = field(default=(200, 201), kw_only=True)
    rejected: Refusals = field(default=(400, 401, 403), kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    method: str = field(default="POST", kw_only=True)
    encode: str = field(default="json", kw_only=True, metadata={"choices": ENCODINGS})
    send_access: Place | None = field(default=None, kw_only=True)
    when: Matcher = field(default=any_401, kw_only=True)

    def __post_init__(self) -> None:
        _validate(self)
        _validate_reading(self)
        if not isinstance(self.method, str) or not self.method.isalpha():
            raise ValueError(f"{self.method!r} is no HTTP method such as 'POST'")
        _check_choice("encode", self.encode, ENCODINGS)
        _validate_sending(self)

    @property
    def needs_refresh_token(self) -> bool:
        """Whether the request hands in a refresh token."""
        return self.send is not None

    @property
    def hands_in_access(self) -> bool:
        """Whether the request hands in the access token."""
        return self.send_access is not None

    @property
    def needs_live_token(self) -> bool:
        """Whether the request hands in nothing but the access token."""
        return self.send is None

    @property
    def handed_in(self) -> str:
        """What the request hands in, as it stands in the text of a refusal."""
        return "access token" if self.send is None else "refresh token"

    def ask(self, url: str, token: Token | None) -> requests.Request:
        """Return the request that carries the refresh token, the access token or both.

        Raises ValueError where `token` lacks one of them, RefreshUnavailable where it has one that
        its place cannot carry.
        """
        headers = _make_headers(self.headers)
        fields = deepcopy(dict(self.extra))
        for _name, what, place in _sent_places(self):
            secret = _require(what, token)
            if isinstance(place, str):
                _insert(fields, place, secret)
            elif isinstance(place, Cookie):
                place.add(headers, secret, token.extra if token else {})
            else:
                place.write(headers, secret)
            _check_carried(what, place, secret)
        return _encode_fields(requests.Request(self.method, url, headers=headers), self, fields)

    def read(self, response: TokenResponse) -> Token:
        """Return the new token. Raises RefreshRejected, RefreshUnavailable."""
        return read_json(response, self)


@dataclass(frozen=True, repr=False)
class BearerEndpoint(JSONEndpoint):
    """Send the refresh token as ``Authorization: Bearer`` (RFC 6750 §2.1), read JSON.

    This is JSONEndpoint with ``send=header()`` and 422 among `rejected`, with which some servers
    refuse a refresh token that they cannot even parse. Its options are those of JSONEndpoint;
    without `extra` the request has no body.

    Raises ValueError or TypeError for options that make no sense.

    """

    send: Place | None = field(default=AUTHORIZATION, kw_only=True)
    rejected: Refusals = field(default=(400, 401, 403, 422), kw_only=True)


@dataclass(frozen=True, repr=False)
class OAuth2Endpoint(_CallRepr):
    """Ask as OAuth 2.0 does, with a form that has ``grant_type=refresh_token`` (RFC 6749 §6).

    ``invalid_grant`` is a refusal (§5.2), and what `rejected` adds to it. Other error codes are a
    faulty set-up or throttling, and the tokens are kept. The server's error_description is never
    shown. Any ``token_type`` is taken.

    Args:
        url: the token endpoint, absolute or relative to the base URL. A query in it is kept, and
            not shown.
        client_id: the client's id; None if the server asks for none.
        client_secret: the client's secret; None for a public client. It is not shown.
        client_auth: how the client authenticates (§2.3.1): ``"basic"``, the default with a secret,
            in the Authorization header; ``"basic-raw"``, likewise, but not form-urlencoded first;
            ``"post"``, id and secret in the form; ``"none"``, the default without a secret, the id
            alone in the form; or a `PrivateKeyJWT`.
        scope: the scopes to ask for, with spaces between them (§3.3).
        extra: more fields of the form, such as ``resource`` or ``audience``; a list is sent as
            several fields of one name. They may hold secrets, and are not shown.
        access, refresh, expires_in, expires_in_unit, expires_at: as in JSONEndpoint.
        rejected: what is a refusal beside ``invalid_grant``: statuses, or a matcher, which is asked
            about each response without an access token, whatever its status.
        headers: as in JSONEndpoint.
        when: which response of the API means "your token has expired".

    Raises ValueError or TypeError for options that make no sense.

    >>> OAuth2Endpoint("https://login.example.com/token", "my-client", "hunter2")
    OAuth2Endpoint('https://login.example.com/token', 'my-client', '***')

    """

    url: str
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_auth: str | ClientAuth | None = field(
        default=None, kw_only=True, metadata={"choices": CLIENT_AUTHS}
    )
    scope: str | None = field(default=None, kw_only=True)
    extra: Mapping[str, str | Sequence[str]] = field(
        default_factory=dict, repr=False, hash=False, kw_only=True
    )
    access: Place | None = field(default="access_token", kw_only=True)
    refresh: Place | None = field(default=DefaultPath("refresh_token"), kw_only=True)
    expires_in: str | None = field(default="expires_in", kw_only=True)
    expires_in_unit: str = field(default="s", kw_only=True, metadata={"choices": UNITS})
    expires_at: str | None = field(default=None, kw_only=True)
    rejected: Refusals | None = field(default=None, kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    when: Matcher = field(default=any_401, kw_only=True)

    needs_refresh_token: ClassVar[bool] = True
    hands_in_access: ClassVar[bool] = False
    needs_live_token: ClassVar[bool] = False
    handed_in: ClassVar[str] = "refresh token"
    ok: ClassVar[tuple[int, ...]] = (200, 201)
    grant_fields: ClassVar[frozenset[str]] = frozenset({"refresh_token"})
    """The fields of the form that the grant itself sets, beside grant_type and scope."""

    def __post_init__(self) -> None:
        _validate(self)
        _validate_reading(self)
        self._check_client()
        if self.scope is not None and not (isinstance(self.scope, str) and self.scope.strip()):
            raise TypeError("scope takes a string, such as 'read write'")
        scope = {"scope"} if self.scope else set()
        own = {"grant_type", *self.grant_fields, *scope, *self._client_fields()}
        taken = sorted(own & set(self.extra))
        if taken:
            raise ValueError(f"extra must not set {quote_list(taken)}: the endpoint does")

    def ask(self, url: str, token: Token | None) -> requests.Request:
        """Return the POST with the form of RFC 6749 §6."""
        form = {"grant_type": "refresh_token", "refresh_token": _require("refresh token", token)}
        return self.as_grant(url, form)

    def as_grant(self, url: str, form: Mapping[str, Any]) -> requests.Request:
        """Return the POST of a grant's `form`, with `scope` and `extra`."""
        scope = {"scope": self.scope} if self.scope else {}
        return self.as_client(url, {**form, **scope, **self.extra})

    def as_client(self, url: str, form: Mapping[str, Any]) -> requests.Request:
        """Return the POST of any `form`, with what authenticates the client (RFC 6749 §2.3.1)."""
        headers = _make_headers(self.headers)
        fields = {**form, **self._client_fields()}
        method = self._auth_method()
        if not isinstance(method, str):
            method.add(url, fields, headers)
        elif method.startswith("basic"):
            headers[AUTHORIZATION.name] = self._basic_credentials()
        return requests.Request("POST", url, headers=headers, data=fields)

    def read(self, response: TokenResponse) -> Token:
        """Return the new token (RFC 6749 §5.1). Raises RefreshRejected, RefreshUnavailable."""
        return read_oauth2(response, self)

    def _auth_method(self) -> str | ClientAuth:
        return self.client_auth or ("basic" if self.client_secret else "none")

    def _check_client(self) -> None:
        if "" in (self.client_id, self.client_secret):
            raise ValueError("client_id or client_secret is empty; give it, or leave it out")
        method = self._auth_method()
        if isinstance(method, str):
            self._check_usual_auth(method)
        else:
            self._check_client_auth(method)

    def _check_usual_auth(self, method: str) -> None:
        _check_choice("client_auth", method, CLIENT_AUTHS)
        if method == "none" and self.client_secret:
            raise ValueError("client_auth='none' sends no client_secret; leave one of them out")
        if method != "none" and not (self.client_id and self.client_secret):
            raise ValueError(
                f"client_auth={method!r} needs both client_id and client_secret; "
                "a client without a secret is client_auth='none'"
            )
        if method == "basic-raw" and ":" in (self.client_id or ""):
            raise ValueError(
                "client_auth='basic-raw' cannot send a client_id with a colon, which ends it there "
                "(RFC 7617 §2); use 'basic' or 'post'"
            )
        if method.startswith("basic") and AUTHORIZATION.name in _make_headers(self.headers):
            raise ValueError(
                f"headers and client_auth={method!r} both set {AUTHORIZATION.name}; leave one of "
                "them out"
            )

    def _check_client_auth(self, method: ClientAuth) -> None:
        if not callable(getattr(method, "add", None)):
            raise TypeError(
                f"client_auth takes one of {quote_list(CLIENT_AUTHS)}, or what signs for the "
                f"client, such as PrivateKeyJWT(...), not {type(method).__name__}"
            )
        if self.client_secret is not None:
            raise ValueError(
                f"client_auth={type(method).__name__}(...) sends no client_secret; leave one of "
                "them out"
            )

    def _client_fields(self) -> dict[str, str]:
        method = self._auth_method()
        if method == "post":
            return {"client_id": self.client_id or "", "client_secret": self.client_secret or ""}
        is_in_form = method == "none" or not isinstance(method, str)
        return {"client_id": self.client_id} if is_in_form and self.client_id else {}

    def _basic_credentials(self) -> str:
        # Form-urlencoded first (RFC 6749 §2.3.1), so that a colon in the id is not the separator.
        encode = str if self._auth_method() == "basic-raw" else _encode
        pair = f"{encode(self.client_id or '')}:{encode(self.client_secret or '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _encode(text: str) -> str:
    """Return `text` form-urlencoded, a space as %20: some servers take a + for itself."""
    return quote(text, safe="")


_AnyEndpoint: TypeAlias = JSONEndpoint | OAuth2Endpoint


# --- Options ---------------------------------------------------------------------------------


def _format_argument(each: dataclasses.Field[Any], value: object) -> str:
    if each.name == "url":
        value = _redact_query(str(value))
    text = repr(value) if each.repr else "'***'"
    return f"{each.name}={text}" if each.kw_only else text


def _redact_query(url: str) -> str:
    """Return `url` without those values of its query that may be keys.

    >>> _redact_query("/token?key=AIzaSy&grant_type=password")
    '/token?key=***&grant_type=password'
    """
    path, mark, query = url.partition("?")
    if not query:
        return url
    pairs = (pair.partition("=") for pair in query.split("&"))
    shown = [
        f"{name}{equals}{value if _is_plain(name, value) else '***'}" if equals else "***"
        for name, equals, value in pairs
    ]
    return f"{path}{mark}{'&'.join(shown)}"


def _is_plain(name: str, value: str) -> bool:
    return not _SECRET_NAME.search(name) and bool(_PLAIN_VALUE.fullmatch(value))


def _default_of(each: dataclasses.Field[Any]) -> object:
    if each.default_factory is not dataclasses.MISSING:
        return each.default_factory()
    return each.default


def _validate(endpoint: _AnyEndpoint) -> None:
    if not isinstance(endpoint.url, str) or not endpoint.url.strip():
        raise ValueError("an endpoint needs a URL, absolute or relative to the base URL")
    check_matcher(endpoint.when, "when takes a matcher")
    for name in ("extra", "headers"):
        if not isinstance(getattr(endpoint, name), Mapping):
            raise TypeError(f"{name} takes a mapping, such as a dict, of names to values")
    # Copies: a frozen value must not change with the caller's dict.
    _assign(endpoint, extra=deepcopy(dict(endpoint.extra)), headers=dict(endpoint.headers))
    check_headers(endpoint.headers)


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise TypeError or ValueError unless a request can have `headers`; no value is shown."""
    for name, value in headers.items():
        problem = ""
        try:
            check_header_name(name)
        except (TypeError, ValueError) as error:
            problem = f"headers: {error}"
        if problem:
            raise ValueError(problem)
        if not isinstance(value, str):
            raise TypeError(f"headers: the value of {name!r} must be a string")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(
                f"headers: the value of {name!r} has a line break, a space at one end, or another "
                "character that no header may carry (RFC 9110 §5.5)"
            )
    if len(CaseInsensitiveDict(headers)) < len(headers):
        raise ValueError("headers names one header twice; leave one of them out")


def _validate_reading(endpoint: _AnyEndpoint) -> None:
    for name in ("access", "refresh"):
        place = getattr(endpoint, name)
        if place is not None:
            _check_place(name, place)
    for path in (endpoint.expires_in, endpoint.expires_at):
        if path is not None:
            check_path(path)
    _check_choice("expires_in_unit", endpoint.expires_in_unit, UNITS)
    ok = status_codes(endpoint.ok)
    rejected = endpoint.rejected
    if callable(rejected) or not isinstance(rejected, (int, Iterable, NoneType)):
        check_rejected(rejected)
        both = ok & bare_statuses(rejected)
    else:
        codes = status_codes(rejected) if rejected else frozenset()
        both = ok & codes
        if rejected is not None or isinstance(endpoint, JSONEndpoint):
            _assign(endpoint, rejected=tuple(sorted(codes)))
    if both:
        raise ValueError(f"ok and rejected cannot both have {quote_list(map(str, sorted(both)))}")
    if isinstance(endpoint, JSONEndpoint):
        _assign(endpoint, ok=tuple(sorted(ok)))


def _check_place(name: str, place: object) -> None:
    if isinstance(check_place(name, place, path=True), str):
        check_path(str(place))


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {quote_list(choices)}")


def _assign(endpoint: _AnyEndpoint, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(endpoint, name, value)


# --- What is sent ----------------------------------------------------------------------------


def _sent_places(endpoint: JSONEndpoint) -> Iterator[tuple[str, str, Place]]:
    """Yield where the request carries tokens: option, kind of token, place.

    The refresh token comes last, so that of two proofs in one header its own counts.
    """
    if endpoint.send_access is not None:
        yield "send_access", "access token", endpoint.send_access
    if endpoint.send is not None:
        yield "send", "refresh token", endpoint.send


def _validate_sending(endpoint: JSONEndpoint) -> None:
    places = list(_sent_places(endpoint))
    if not places:
        raise ValueError(
            "send=None hands in no token; give send_access=header() for a server that takes the "
            "access token"
        )
    for name, _what, place in places:
        _check_place(name, place)
    paths = [place for _name, _what, place in places if isinstance(place, str)]
    _check_sources(endpoint, places)
    if paths and endpoint.method.upper() in _WITHOUT_BODY and endpoint.encode != "query":
        raise ValueError(
            f"a {endpoint.method} has no body for the field {paths[0]!r}; give encode='query', or "
            "send the token in a header(...) or cookie(...)"
        )
    fields = deepcopy(dict(endpoint.extra))
    for _name, what, place in places:
        if isinstance(place, str):
            _insert(fields, place, "", what)
    if endpoint.encode == "json":
        check_json(fields)
    else:
        _check_flat(endpoint, fields, paths)


def _check_sources(endpoint: JSONEndpoint, places: list[tuple[str, str, Place]]) -> None:
    """Raise ValueError if two options would write one header, cookie or field."""
    if len(places) > 1 and _overlap(*(_key_of(place) for _name, _what, place in places)):
        raise ValueError(
            f"send={endpoint.send!r} and send_access={endpoint.send_access!r} name one place; each "
            "token needs a place of its own"
        )
    proofs = [
        place.csrf[1]
        for _name, _what, place in places
        if isinstance(place, Cookie) and place.csrf is not None
    ]
    given = {name.lower(): name for name in endpoint.headers}
    written = {place.name: name for name, _what, place in places if isinstance(place, Header)}
    for header, name in {**dict.fromkeys(proofs, "csrf"), **written}.items():
        if header.lower() in given:
            raise ValueError(f"headers must not set {header!r}: {name} does; leave one of them out")
    clash = {header.lower() for header in written} & {header.lower() for header in proofs}
    if clash:
        raise ValueError(f"a token and csrf both need the header {clash.pop()!r}")


def _key_of(place: Place) -> tuple[str, ...]:
    if isinstance(place, str):
        return "field", *place.split(".")
    if isinstance(place, Cookie):
        return "cookie", place.name
    return "header", place.name.lower()


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one of two keys is the other, or is within it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _check_flat(endpoint: JSONEndpoint, fields: Mapping[str, Any], paths: list[str]) -> None:
    """Raise ValueError or TypeError unless `fields` can be a form or a query."""
    encode = endpoint.encode
    nested = next((path for path in paths if "." in path), None)
    if nested is not None:
        raise ValueError(
            f"encode={encode!r} has no fields within fields, as {nested!r} needs them; give "
            "encode='json', or the name of a field"
        )
    for name, value in fields.items():
        items = value if isinstance(value, (list, tuple)) else [value]
        if not all(isinstance(each, (str, int, float)) for each in items):
            raise TypeError(
                f"extra: encode={encode!r} takes strings, numbers and lists of them, as the value "
                f"of {name!r} is none"
            )
    if encode == "query":
        query = dict(parse_qsl(endpoint.url.partition("?")[2], keep_blank_values=True))
        both = sorted(query.keys() & fields.keys())
        if both:
            raise ValueError(f"the url has {quote_list(both)} in its query already; leave it out")


def _encode_fields(
    request: requests.Request, endpoint: JSONEndpoint, fields: dict[str, Any]
) -> requests.Request:
    if endpoint.encode == "json":
        request.json = fields or None
    elif endpoint.encode == "form":
        request.data = {name: _as_form_value(value) for name, value in fields.items()}
    else:
        request.params = {name: _as_form_value(value) for name, value in fields.items()}
    return request


def _as_form_value(value: Any) -> Any:
    """Return a boolean as JSON writes it, everything else as it is."""
    return str(value).lower() if isinstance(value, bool) else value


def _make_headers(headers: Mapping[str, str]) -> CaseInsensitiveDict[str]:
    return CaseInsensitiveDict({**_ACCEPT, **headers})


def _insert(document: dict[str, Any], path: str, value: str, what: str = "refresh token") -> None:
    """Put `value` at a dotted `path` of `document` that it does not have yet."""
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last in place:
        raise ValueError(f"extra must leave {path!r} free: the {what} goes there")
    place[last] = value


def check_json(document: Mapping[str, Any]) -> None:
    """Raise TypeError unless `document` can be written as JSON."""
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass
    else:
        return
    raise TypeError("extra holds something that cannot be written as JSON")


def _require(what: str, token: Token | None) -> str:
    """Return the secret of `token` that is to be handed in. Raises ValueError if it has none."""
    secret = None
    if token is not None:
        secret = token.access if what == "access token" else token.refresh
    if secret is None:
        raise ValueError(f"there is no {what} to ask with")
    return secret


def _check_carried(what: str, place: Place, secret: str) -> None:
    problem = None if isinstance(place, str) else place.find_problem(secret)
    if problem is not None:
        raise RefreshUnavailable(
            f"the {what} cannot be sent: {problem}",
            f"the tokens are kept; send the {what} in a header(...), or log in for another one",
        )
