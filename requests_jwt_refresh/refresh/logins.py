"""What a `login` of this library's can do, and which of its passwords were refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    import requests
    from typing_extensions import Self

    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.tokens import Token

_MOST_REFUSED: Final = 64  # passwords that are remembered; a person types fewer


def needs_login(refresh: object) -> bool:
    """Whether somebody has to log in first: not for a grant of the client's own (RFC 6749 §4.4)."""
    needs: bool = getattr(refresh, "needs_refresh_token", True)
    return needs or getattr(refresh, "hands_in_access", False)


class RefusedLogins:
    """What the server refused lately: the same password is not sent again and again.

    Servers lock an account after a few wrong passwords. What is kept of one is its hash. No lock
    guards it: each look and each change is one step.
    """

    def __init__(self) -> None:
        self._causes: dict[int, str] = {}

    def note(self, credentials: int, cause: str) -> None:
        """Remember how the server refused what has that hash."""
        if len(self._causes) >= _MOST_REFUSED:
            self._causes.clear()
        self._causes[credentials] = cause

    def find(self, credentials: int) -> str | None:
        """Return how the server refused what has that hash, None if it has not."""
        return self._causes.get(credentials)

    def add(self, others: RefusedLogins) -> None:
        """Remember what `others` do as well."""
        for credentials, cause in others._causes.items():
            self.note(credentials, cause)

    def clear(self) -> None:
        """Forget all: there was a login or a logout."""
        self._causes.clear()


class OwnLogin:
    """A login of this library's, which is told more than a function of the user's is.

    The adapter binds it once, and hands it how to reach the network each time.
    """

    url: str | None
    takes_password: ClassVar[bool] = False
    """Whether a user may log in with it by a user name and a password."""

    @property
    def can_log_in_alone(self) -> bool:
        """Whether it may be called whenever a token is needed."""
        return True

    def bind(
        self, endpoint: object, base_url: str, *, allow_http: bool = False, timeout: float = 30.0
    ) -> Self:
        """Return the login with its URL made absolute, and its responses read as `endpoint` does.

        `timeout` is in seconds, for one exchange. Raises TypeError, ValueError or InvalidURL if
        something is missing or makes no sense.
        """
        raise NotImplementedError

    def for_user(self, username: str, password: str) -> OwnLogin:
        """Return the same login for this user; only where it `takes_password`."""
        raise NotImplementedError

    def obtain(
        self, session: requests.Session, options: SendOptions, refused: RefusedLogins
    ) -> Token:
        """Log in over `session`. Raises RefreshRejected or RefreshUnavailable."""
        raise NotImplementedError

    def __call__(self, session: requests.Session) -> Token:
        """Log in over `session`. Raises RefreshRejected or RefreshUnavailable."""
        from requests_jwt_refresh.refresh.client import SendOptions  # whoever can send has it

        return self.obtain(session, SendOptions(), RefusedLogins())
