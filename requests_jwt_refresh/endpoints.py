"""How to ask for a new token; how to read the response is in responses.py.

An endpoint is a frozen value with two verbs: ``ask`` makes the request, ``read`` turns the response
into a Token. It sends nothing itself, so that one can be tried without a network; only the
refresher sends.
"""

from __future__ import annotations

import base64
import dataclasses
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias
from urllib.parse import quote

import requests

from requests_jwt_refresh.authorization import AUTHORIZATION, Cookie, Place
from requests_jwt_refresh.client_auth import CLIENT_AUTHS, ClientAuth
from requests_jwt_refresh.endpoint_options import (
    check_carried,
    check_choice,
    default_of,
    encode_fields,
    format_argument,
    insert,
    make_headers,
    require,
    sent_places,
    validate,
    validate_reading,
    validate_sending,
)
from requests_jwt_refresh.lifetimes import UNITS
from requests_jwt_refresh.matching import Matcher, any_401
from requests_jwt_refresh.responses import (
    DefaultPath,
    TokenResponse,
    quote_list,
    read_json,
    read_oauth2,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from requests_jwt_refresh.tokens import Token

Refusals: TypeAlias = tuple[int, ...] | Matcher
"""What is a refusal: statuses, or a matcher that is asked about the response."""

ENCODINGS: Final = ("json", "form", "query")
"""How a JSONEndpoint sends its fields: as a JSON body, as a form, or in the URL's query."""


class Endpoint(Protocol):
    """Where and how to ask for a new token. Anything with these four is an endpoint.

    ```python
    import hashlib
    import hmac
    import json


    class SignedEndpoint:  # for a server that wants each refresh signed
        url = "/auth/refresh"
        when = any_401

        def __init__(self, key):
            self._key = key

        def ask(self, url, token):
            body = json.dumps({"refresh_token": token.refresh}).encode()
            signature = hmac.new(self._key, body, hashlib.sha256).hexdigest()
            headers = {"Content-Type": "application/json", "X-Signature": signature}
            return requests.Request("POST", url, headers, data=body)

        def read(self, response):
            if response.status in (400, 401):
                raise RefreshRejected(f"{self.url} refused the refresh token")
            try:
                fields = json.loads(response.body)
                return Token(fields["access_token"], fields.get("refresh_token"))
            except (KeyError, TypeError, ValueError):
                raise RefreshUnavailable(f"{self.url} answered without a token") from None


    mount(session, "https://api.example.com", SignedEndpoint(b"a key"))
    ```

    An endpoint sends nothing itself: it makes the request and reads the response, both without a
    network, so that the adapter does the rest (one refresh for all, retries, timeouts, the store).
    For other names and places alone `JSONEndpoint` and `OAuth2Endpoint` have options. A callable
    ``(session, token) -> Token``, which sends the request itself, is taken wherever an endpoint is.

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
        known = {each.name: default_of(each) for each in dataclasses.fields(self)}
        vars(self).update({**known, **state})

    def __repr__(self) -> str:
        arguments = [
            format_argument(each, getattr(self, each.name))
            for each in sorted(dataclasses.fields(self), key=lambda each: bool(each.kw_only))
            if getattr(self, each.name) != default_of(each)
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
    expires_in: str | None = field(default=DefaultPath("expires_in"), kw_only=True)
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
        validate(self)
        validate_reading(self)
        if not isinstance(self.method, str) or not self.method.isalpha():
            raise ValueError(f"{self.method!r} is no HTTP method such as 'POST'")
        check_choice("encode", self.encode, ENCODINGS)
        validate_sending(self)

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
        headers = make_headers(self.headers)
        fields = deepcopy(dict(self.extra))
        for _name, what, place in sent_places(self):
            secret = require(what, token)
            if isinstance(place, str):
                insert(fields, place, secret)
            elif isinstance(place, Cookie):
                place.add(headers, secret, token.extra if token else {})
            else:
                place.write(headers, secret)
            check_carried(what, place, secret)
        return encode_fields(requests.Request(self.method, url, headers=headers), self, fields)

    def read(self, response: TokenResponse) -> Token:
        """Return the new token. Raises RefreshRejected, RefreshUnavailable."""
        return read_json(response, self)


@dataclass(frozen=True, repr=False)
class BearerEndpoint(JSONEndpoint):
    """Send the refresh token as ``Authorization: Bearer`` (RFC 6750 §2.1), read JSON.

    ```python
    mount(session, "https://api.example.com", BearerEndpoint("/refresh"))
    ```

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
    expires_in: str | None = field(default=DefaultPath("expires_in"), kw_only=True)
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
        validate(self)
        validate_reading(self)
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
        form = {"grant_type": "refresh_token", "refresh_token": require("refresh token", token)}
        return self.as_grant(url, form)

    def as_grant(self, url: str, form: Mapping[str, Any]) -> requests.Request:
        """Return the POST of a grant's `form`, with `scope` and `extra`."""
        scope = {"scope": self.scope} if self.scope else {}
        return self.as_client(url, {**form, **scope, **self.extra})

    def as_client(self, url: str, form: Mapping[str, Any]) -> requests.Request:
        """Return the POST of any `form`, with what authenticates the client (RFC 6749 §2.3.1)."""
        headers = make_headers(self.headers)
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
        check_choice("client_auth", method, CLIENT_AUTHS)
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
        if method.startswith("basic") and AUTHORIZATION.name in make_headers(self.headers):
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
