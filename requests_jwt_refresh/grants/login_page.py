"""The page at which a person logs in: opened here, or shown as a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from requests_jwt_refresh.grants import desktop
from requests_jwt_refresh.grants.user_calls import UserCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self


class LoginPage:
    """The page at `url`, which `opener` opens; if that is None, it is shown.

    `seconds` is how long the person has. A function of the user's runs for the whole block: what
    it raises, and a False, may come at any time of it.
    """

    def __init__(self, url: str, opener: Callable[[str], object] | None, seconds: float) -> None:
        self._url = url
        self._waiting = f"Waiting for up to {desktop.format_wait(seconds)}.\n"
        self._is_own = opener is None or opener is desktop.open_browser
        self._call: UserCall | None = None
        if opener is not None and not self._is_own:
            self._call = UserCall("open of the BrowserLogin", opener, url)
        self._opener = opener
        self.is_missing = opener is None
        """Whether no page was opened here, and its URL was shown."""

    def __enter__(self) -> Self:
        if self._call is not None:
            self._call.__enter__()
        elif self._opener is not None:
            self.is_missing = self._opener(self._url) is False
        return self

    def __exit__(self, *error: object) -> None:
        if self._call is not None:
            self._call.__exit__(*error)

    def has_ended(self) -> bool:
        """Whether what opens the page has ended."""
        return self._call is None or self._call.has_ended()

    def wait(self) -> None:
        """Wait for that, but not for long."""
        if self._call is not None:
            self._call.wait()

    def tell(self) -> None:
        """Say that the page was opened, or where it is.

        Raises RefreshUnavailable, or what the user's function raised if that says how a login ends.
        """
        if self._call is not None:
            self.check()
        elif self.is_missing:
            self._show_url()
        if not self.is_missing:
            self.tell_opened()

    def tell_opened(self) -> None:
        """Say that the page was opened."""
        desktop.tell(f"The page to log in was opened in a browser. {self._waiting}")
        if self._is_own:  # which cannot know what came of it
            desktop.tell(f"If it does not show up, open this page yourself:\n\n    {self._url}\n\n")

    def check(self) -> bool:
        """Return whether no page was opened here after all; then its URL was shown.

        Raises what `tell` does.
        """
        if self._call is not None and not self.is_missing:
            self.is_missing = self._call.get_result() is False
            if self.is_missing:
                self._show_url()
        return self.is_missing

    def _show_url(self) -> None:
        desktop.tell(
            f"To log in, open this page in a browser:\n\n    {self._url}\n\n{self._waiting}"
        )
