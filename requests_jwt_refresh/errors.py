"""What can go wrong, and what is left afterwards.

requests.RequestException
└── JWTRefreshError
    ├── RefreshRejected      the server refused the refresh token: tokens forgotten, log in again
    ├── RefreshUnavailable   no answer that counts: tokens kept, try again later
    ├── ReentrantRefresh     a refresh or login that calls through the adapter it serves
    ├── StoreError           the token store cannot be read, written or trusted
    │   └── LockTimeout      somebody else holds the store's lock
    ├── ProfileError         the profiles file, or a profile in it, cannot be used
    ├── InvalidToken         not a string fit for a header (also a ValueError)
    └── InvalidURL           a URL with no clear meaning (also requests' InvalidURL, a ValueError)
        └── InsecureURL      tokens would travel in the clear

Every one of them may carry the API's answer as ``response`` and the request as ``request``. No text
holds a token.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import requests
from requests.exceptions import InvalidURL as RequestsInvalidURL

if TYPE_CHECKING:
    from typing_extensions import Self


class JWTRefreshError(requests.RequestException):
    """The base of every error this library raises."""

    def about(
        self,
        request: requests.PreparedRequest | None = None,
        response: requests.Response | None = None,
    ) -> Self:
        """Return a copy that belongs to one request, so that threads can share a failure.

        The copy has no traceback, which would keep the frames of another request alive.
        """
        mine = copy.copy(self)
        mine.request, mine.response = request, response
        mine.__cause__ = self.__cause__
        return mine


class RefreshRejected(JWTRefreshError):
    """The server refused the refresh token: a new login is needed."""


class RefreshUnavailable(JWTRefreshError):
    """A refresh got no answer that counts. The tokens are kept."""

    retry_after: float = 0.0
    """Seconds the server asked to be left alone (Retry-After, RFC 9110 §10.2.3), else 0."""


class ReentrantRefresh(JWTRefreshError):
    """A refresh or login has called through the adapter that is waiting for it."""


class StoreError(JWTRefreshError):
    """The token store cannot be read, written or trusted. Nothing has been deleted."""


class LockTimeout(StoreError):
    """The store's lock was not free within the time given."""


class ProfileError(JWTRefreshError):
    """The file of profiles, or a profile in it, cannot be used. The text says where and why."""


class InvalidToken(JWTRefreshError, ValueError):
    """A token that cannot be sent in a header (RFC 6749 appendix A, RFC 6750 §2.1)."""


class InvalidURL(JWTRefreshError, RequestsInvalidURL):
    """A base URL or relative URL that has no clear meaning."""


class InsecureURL(InvalidURL):
    """A URL that would carry tokens unencrypted to another machine."""
