"""How a request carries a token, and whose Authorization header it is.

The only module that knows the scheme: how it is written, recognised and stripped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_netrc_auth

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from requests import PreparedRequest, Response

# RFC 6750 §2.1. Scheme names are case-insensitive (RFC 9110 §11.1), but several servers compare
# them exactly.
BEARER: Final = "Bearer"


@dataclass(frozen=True)
class Header:
    """A header that carries a token, and the scheme that is written before it."""

    name: str = "Authorization"
    scheme: str = BEARER

    def write(self, headers: MutableMapping[str, Any], secret: str) -> None:
        """Set the header in `headers` to scheme and `secret`, in place of one that is there."""
        headers[self.name] = f"{self.scheme} {secret}"


AUTHORIZATION: Final = Header()
"""``Authorization: Bearer``, where requests carry their token (RFC 6750 §2.1)."""


def is_bearer(scheme: str) -> bool:
    """Whether `scheme` is the name of the Bearer scheme, in any case (RFC 9110 §11.1)."""
    return scheme.lower() == BEARER.lower()


def starts_with_bearer(value: str) -> bool:
    """Whether `value` has the name of the scheme and a space before the token.

    >>> starts_with_bearer("bearer abc"), starts_with_bearer("bearerabc")
    (True, False)
    """
    scheme, space, _ = value.partition(" ")
    return bool(space) and is_bearer(scheme)


def strip_bearer(value: str) -> str:
    """Return the token in `value` without the scheme before it, which some servers write.

    No token has a space in it (RFC 6750 §2.1), so that nothing else can be meant.

    >>> strip_bearer("Bearer abc"), strip_bearer("abc")
    ('abc', 'abc')
    """
    return value.partition(" ")[2].strip() if starts_with_bearer(value) else value


class _Anonymous(AuthBase):
    """An auth that leaves the request as it is."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # A hook survives request.copy() and redirects, where has_own_auth() looks for it.
        request.register_hook("response", self.keep_response)
        return request

    def __repr__(self) -> str:
        return "anonymous"

    def keep_response(self, response: Response, **_options: object) -> Response:
        return response


anonymous = _Anonymous()
"""``session.get(url, auth=anonymous)``: this request has no token and is never refreshed.

requests keeps it through redirects. As ``session.auth`` it holds for every request that has no
``auth`` of its own.
"""


def has_own_auth(request: PreparedRequest) -> bool:
    """Whether the caller authenticates this request in a way of their own.

    Either with an auth object that waits for the response (Digest, Kerberos, `anonymous`), or with
    an Authorization header that is neither a Bearer nor one that requests took from netrc.
    """
    if any(
        isinstance(getattr(hook, "__self__", None), AuthBase)
        for hook in request.hooks.get("response", ())
    ):
        return True
    header = _read_header(request)
    if header is None:
        return False
    return not is_bearer(header.partition(" ")[0]) and not is_from_netrc(request)


def is_from_netrc(request: PreparedRequest) -> bool:
    """Whether the Authorization header is the one that requests takes from netrc."""
    return _read_header(request) == _netrc_header(request)


def _read_header(request: PreparedRequest) -> str | None:
    value: str | bytes | None = request.headers.get(AUTHORIZATION.name)
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _netrc_header(request: PreparedRequest) -> str | None:
    """Return the header that requests would have made from netrc, if there is an entry."""
    login = get_netrc_auth(request.url) if request.url else None
    if login is None:
        return None
    blank = requests.PreparedRequest()
    blank.prepare_headers({})
    return _read_header(HTTPBasicAuth(*login)(blank))
