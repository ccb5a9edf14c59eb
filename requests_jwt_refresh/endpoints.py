"""How to ask for a new token; how to read the response is in responses.py.

An endpoint is a frozen value with two verbs: ``ask`` makes the request, ``read`` turns the response
into a Token. It sends nothing itself, so that one can be tried without a network; only the
refresher sends.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote_plus

import requests

from requests_jwt_refresh.authorization import AUTHORIZATION
from requests_jwt_refresh.client_auth import CLIENT_AUTHS
from requests_jwt_refresh.matching import Matcher, any_401, check_path, status_codes
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

_ACCEPT: Final = {"Accept": "application/json"}


class Endpoint(Protocol):
    """Where and how to ask for a new token. Anything with these four is an endpoint.

    For a server that none of the ready ones fits, a callable ``(session, token) -> Token`` is
    enough; it is taken wherever an endpoint is.
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

    def __repr__(self) -> str:
        arguments = [
            _format_argument(each, getattr(self, each.name))
            for each in dataclasses.fields(self)
            if getattr(self, each.name) != _default_of(each)
        ]
        return f"{type(self).__name__}({', '.join(arguments)})"


@dataclass(frozen=True, repr=False)
class JSONEndpoint(_CallRepr):
    """Post the refresh token as JSON, read the new tokens out of JSON.

    A field is named by a path: its name, or several with dots between them, into objects and lists
    (``"data.tokens.0"``).

    Args:
        url: the URL to ask, absolute or relative to the base URL.
        send: the field of the request that holds the refresh token.
        access: the field of the response that holds the access token; None if the whole body is
            the token, as a JSON string or as plain text.
        refresh: the field that holds a new refresh token; None if there never is one. Where it is
            missing, the old refresh token stays.
        expires_in: the field that holds the access token's lifetime in seconds, or the moment when
            it ends, in seconds or milliseconds since the epoch; None if there is none. A JWT that
            says its own lifetime needs none; of two, the earlier end counts.
        ok: the statuses of a response with tokens.
        rejected: the statuses of a refusal, after which a new login is needed. Every other status
            leaves the tokens as they are, and so does a response that says "not so often": with
            Retry-After, or an error code such as ``TooManyRequestsException``.
        extra: what else to put into the request's JSON; it may hold secrets, and is not shown.
        when: the server's own rule for "your token has expired".

    Raises ValueError or TypeError for options that make no sense.

    >>> JSONEndpoint("/auth/refresh", send="refreshToken", access="data.accessToken")
    JSONEndpoint('/auth/refresh', send='refreshToken', access='data.accessToken')

    """

    url: str
    send: str = field(default="refresh_token", kw_only=True)
    access: str | None = field(default="access_token", kw_only=True)
    refresh: str | None = field(default=DefaultPath("refresh_token"), kw_only=True)
    expires_in: str | None = field(default="expires_in", kw_only=True)
    ok: tuple[int, ...] = field(default=(200, 201), kw_only=True)
    rejected: tuple[int, ...] = field(default=(400, 401, 403), kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    when: Matcher = field(default=any_401, kw_only=True)

    def __post_init__(self) -> None:
        _validate(self)
        _validate_reading(self)
        check_path(self.send)
        check_json(_insert(self.extra, self.send, ""))

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the POST that carries the refresh token in its JSON body."""
        body = _insert(self.extra, self.send, _require_refresh(token))
        return requests.Request("POST", url, headers=dict(_ACCEPT), json=body)

    def read(self, response: TokenResponse) -> Token:
        """Return the new token. Raises RefreshRejected, RefreshUnavailable."""
        return read_json(response, self)


@dataclass(frozen=True, repr=False)
class BearerEndpoint(_CallRepr):
    """Send the refresh token as ``Authorization: Bearer`` (RFC 6750 §2.1), read JSON.

    Args:
        url: the URL to ask, absolute or relative to the base URL.
        method: the HTTP method.
        access, refresh, expires_in, ok, when: as in JSONEndpoint.
        rejected: as in JSONEndpoint; 422 is among them, with which some servers refuse a refresh
            token that they cannot even parse.
        extra: sent as JSON; without it the request has no body.

    Raises ValueError or TypeError for options that make no sense.

    """

    url: str
    method: str = field(default="POST", kw_only=True)
    access: str | None = field(default="access_token", kw_only=True)
    refresh: str | None = field(default=DefaultPath("refresh_token"), kw_only=True)
    expires_in: str | None = field(default="expires_in", kw_only=True)
    ok: tuple[int, ...] = field(default=(200, 201), kw_only=True)
    rejected: tuple[int, ...] = field(default=(400, 401, 403, 422), kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    when: Matcher = field(default=any_401, kw_only=True)

    def __post_init__(self) -> None:
        _validate(self)
        _validate_reading(self)
        check_json(self.extra)
        if not self.method.isalpha():
            raise ValueError(f"{self.method!r} is no HTTP method such as 'POST'")

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the request that carries the refresh token in its Authorization header."""
        headers = dict(_ACCEPT)
        AUTHORIZATION.write(headers, _require_refresh(token))
        return requests.Request(self.method, url, headers=headers, json=dict(self.extra) or None)

    def read(self, response: TokenResponse) -> Token:
        """Return the new token. Raises RefreshRejected, RefreshUnavailable."""
        return read_json(response, self)


@dataclass(frozen=True, repr=False)
class OAuth2Endpoint(_CallRepr):
    """Ask as OAuth 2.0 does, with a form that has ``grant_type=refresh_token`` (RFC 6749 §6).

    Only ``invalid_grant`` is a refusal (§5.2). Other error codes are a faulty set-up or throttling,
    and the tokens are kept. The server's error_description is never shown. Any ``token_type`` is
    taken.

    Args:
        url: the token endpoint, absolute or relative to the base URL.
        client_id: the client's id; None if the server asks for none.
        client_secret: the client's secret; None for a public client. It is not shown.
        client_auth: how the client authenticates (§2.3.1): ``"basic"``, the default with a secret,
            in the Authorization header; ``"post"``, id and secret in the form; or ``"none"``, the
            default without a secret, the id alone in the form.
        extra: more fields of the form, such as ``scope``, ``resource`` or ``audience``; a list is
            sent as several fields of one name. They may hold secrets, and are not shown.
        when: which response of the API means "your token has expired".

    Raises ValueError or TypeError for options that make no sense.

    >>> OAuth2Endpoint("https://login.example.com/token", "my-client", "hunter2")
    OAuth2Endpoint('https://login.example.com/token', 'my-client', '***')

    """

    url: str
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_auth: str | None = field(default=None, kw_only=True, metadata={"choices": CLIENT_AUTHS})
    extra: Mapping[str, str | Sequence[str]] = field(
        default_factory=dict, repr=False, hash=False, kw_only=True
    )
    when: Matcher = field(default=any_401, kw_only=True)

    def __post_init__(self) -> None:
        _validate(self)
        self._check_client()
        taken = {"grant_type", "refresh_token", *self._client_fields()} & set(self.extra)
        if taken:
            raise ValueError(f"extra must not set {quote_list(taken)}: the endpoint does")

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the POST with the form of RFC 6749 §6."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": _require_refresh(token),
            **self.extra,
        }
        return self.as_client(url, form)

    def as_client(self, url: str, form: Mapping[str, Any]) -> requests.Request:
        """Return the POST of any `form`, with what authenticates the client (RFC 6749 §2.3.1)."""
        headers = dict(_ACCEPT)
        if self._auth_method() == "basic":
            headers[AUTHORIZATION.name] = self._basic_credentials()
        return requests.Request(
            "POST", url, headers=headers, data={**form, **self._client_fields()}
        )

    def read(self, response: TokenResponse) -> Token:
        """Return the new token (RFC 6749 §5.1). Raises RefreshRejected, RefreshUnavailable."""
        return read_oauth2(response)

    def _auth_method(self) -> str:
        return self.client_auth or ("basic" if self.client_secret else "none")

    def _check_client(self) -> None:
        if "" in (self.client_id, self.client_secret):
            raise ValueError("client_id or client_secret is empty; give it, or leave it out")
        method = self._auth_method()
        if method not in CLIENT_AUTHS:
            raise ValueError(f"client_auth must be one of {', '.join(map(repr, CLIENT_AUTHS))}")
        if method == "none" and self.client_secret:
            raise ValueError("client_auth='none' sends no client_secret; leave one of them out")
        if method != "none" and not (self.client_id and self.client_secret):
            raise ValueError(
                f"client_auth={method!r} needs both client_id and client_secret; "
                "a client without a secret is client_auth='none'"
            )

    def _client_fields(self) -> dict[str, str]:
        if self._auth_method() == "post":
            return {"client_id": self.client_id or "", "client_secret": self.client_secret or ""}
        return (
            {"client_id": self.client_id}
            if self._auth_method() == "none" and self.client_id
            else {}
        )

    def _basic_credentials(self) -> str:
        # Form-urlencoded first (RFC 6749 §2.3.1), so that a colon in the id is not the separator.
        pair = f"{quote_plus(self.client_id or '')}:{quote_plus(self.client_secret or '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


_AnyEndpoint = JSONEndpoint | BearerEndpoint | OAuth2Endpoint


# --- Options ---------------------------------------------------------------------------------


def _format_argument(each: dataclasses.Field[Any], value: object) -> str:
    text = repr(value) if each.repr else "'***'"
    return f"{each.name}={text}" if each.kw_only else text


def _default_of(each: dataclasses.Field[Any]) -> object:
    if each.default_factory is not dataclasses.MISSING:
        return each.default_factory()
    return each.default


def _validate(endpoint: _AnyEndpoint) -> None:
    if not isinstance(endpoint.url, str) or not endpoint.url.strip():
        raise ValueError("an endpoint needs a URL, absolute or relative to the base URL")
    if not callable(endpoint.when):
        raise TypeError(f"when takes a matcher, such as status(401), not {endpoint.when!r}")
    # A copy: a frozen value must not change with the caller's dict.
    _assign(endpoint, extra=deepcopy(dict(endpoint.extra)))


def _validate_reading(endpoint: JSONEndpoint | BearerEndpoint) -> None:
    for path in (endpoint.access, endpoint.refresh, endpoint.expires_in):
        if path is not None:
            check_path(path)
    ok = status_codes(endpoint.ok)
    rejected = status_codes(endpoint.rejected) if endpoint.rejected else frozenset()
    if ok & rejected:
        raise ValueError(f"ok and rejected cannot both have {quote_list(map(str, ok & rejected))}")
    _assign(endpoint, ok=tuple(sorted(ok)), rejected=tuple(sorted(rejected)))


def _assign(endpoint: _AnyEndpoint, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(endpoint, name, value)


def _insert(extra: Mapping[str, Any], path: str, value: str) -> dict[str, Any]:
    """Return a copy of `extra` with `value` at a dotted `path` that it does not have yet."""
    document = deepcopy(dict(extra))
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last in place:
        raise ValueError(f"extra must leave {path!r} free: the refresh token goes there")
    place[last] = value
    return document


def check_json(document: Mapping[str, Any]) -> None:
    """Raise TypeError unless `document` can be written as JSON."""
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass
    else:
        return
    raise TypeError("extra holds something that cannot be written as JSON")


def _require_refresh(token: Token) -> str:
    if token.refresh is None:
        raise ValueError("there is no refresh token to ask with")
    return token.refresh
