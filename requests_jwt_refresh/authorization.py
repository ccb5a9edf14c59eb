"""Whose Authorization header is it: ours to replace, or the caller's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_netrc_auth

if TYPE_CHECKING:
    from requests import PreparedRequest, Response


class _Anonymous(AuthBase):
    """An auth that leaves the request as it is."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # A hook is what survives request.copy() and redirects; see has_own_auth.
        request.register_hook("response", self.untouched)
        return request

    def __repr__(self) -> str:
        return "anonymous"

    def untouched(self, response: Response, **_options: object) -> Response:
        return response


anonymous = _Anonymous()
"""``session.get(url, auth=anonymous)``: this request goes without a token, never refreshed."""


def has_own_auth(request: PreparedRequest) -> bool:
    """Whether the caller authenticates this request in a way of their own.

    That is: an auth object that waits for the answer (Digest, Kerberos, `anonymous`), or an
    Authorization header which is neither a Bearer nor one that requests took from netrc.
    """
    if any(
        isinstance(getattr(hook, "__self__", None), AuthBase)
        for hook in request.hooks.get("response", ())
    ):
        return True
    header = _header(request)
    if header is None:
        return False
    if header.partition(" ")[0].lower() == "bearer":
        return False
    return not is_from_netrc(request)


def is_from_netrc(request: PreparedRequest) -> bool:
    """Whether the Authorization header is the one that requests takes from netrc."""
    return _header(request) == _netrc_header(request)


def _header(request: PreparedRequest) -> str | None:
    value: str | bytes | None = request.headers.get("Authorization")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _netrc_header(request: PreparedRequest) -> str | None:
    """Return the header that requests would have made from netrc, if there is an entry."""
    login = get_netrc_auth(request.url) if request.url else None
    if login is None:
        return None
    blank = requests.PreparedRequest()
    blank.prepare_headers({})
    return _header(HTTPBasicAuth(*login)(blank))
