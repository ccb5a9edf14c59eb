"""Getting first tokens, and revoking them: one module per grant.

Like endpoints, grants are frozen values that make requests and read responses. The function beside
each does the sending, over a session of its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from requests_jwt_refresh.response_errors import LoginWords
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

# Here, where importing them costs nothing: ``init --help`` lists them.
LOGIN_SENDS: Final = ("json", "form", "basic", "oauth2")
"""The values of `PasswordLogin.send`; the first is the default."""

LOGOUT_SENDS: Final = ("json", "bearer", "oauth2")
"""The values of `Logout.send`; the first is the default."""

RESPONSE_MODES: Final = ("query", "form_post")
"""How a browser brings the response to a login here; the first is the default."""


class Reader(Protocol):
    """What can read a token out of a response: every endpoint."""

    def read(self, response: TokenResponse) -> Token:
        """Return the token. Raises RefreshRejected or RefreshUnavailable."""


class OAuth2Client(Reader, Protocol):
    """What can prove which client is asking: OAuth2Endpoint, with its secret or without."""

    def as_client(self, url: str, form: Mapping[str, Any]) -> requests.Request:
        """Return the POST of `form`, with the client's authentication (RFC 6749 §2.3.1)."""


CHECK_ENDPOINT: Final = (
    "check that this is the token endpoint: token_url= of the login, and the client"
)


def as_answer_to(words: LoginWords, response: TokenResponse) -> TokenResponse:
    """Return a `response` as one to a login, for the texts of its errors."""
    response = copy(response)
    object.__setattr__(response, "login_words", words)
    return response


@contextmanager
def first_tokens() -> Iterator[None]:
    """Have no error say that the tokens are kept: there are none before a login."""
    from requests_jwt_refresh.errors import RefreshUnavailable  # late: `init --help` is in a hurry

    try:
        yield
    except RefreshUnavailable as error:
        error.remedy = error.remedy.removeprefix("the tokens are kept; ")
        raise
