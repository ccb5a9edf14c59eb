"""A person with a browser, for commands: alice logs in and is sent back to the command.

In this process, `use_browser` puts it in place of the user's; a program finds it as BROWSER, after
`use_browser_program`.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from requests_jwt_refresh.grants import desktop, loopback
from tests.support.form_browser import FormBrowser
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    import pytest


class PersonAtBrowser:
    """Opens each page in a thread, as browsers do, and consents or not."""

    def __init__(self, *, consent: bool = True) -> None:
        self._consent = consent
        self.urls: list[str] = []
        """The pages that were opened."""
        self.pages: list[str] = []
        """What the command showed at last."""
        self._threads: list[threading.Thread] = []

    def open(self, url: str) -> bool:
        self.urls.append(url)
        thread = threading.Thread(target=self._log_in, args=(url,))
        self._threads.append(thread)
        thread.start()
        return True

    def read_query(self) -> dict[str, str]:
        """Return the parameters of the only page that was opened."""
        (url,) = self.urls
        return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}

    def leave(self) -> None:
        for thread in self._threads:
            thread.join(WAIT)

    def _log_in(self, url: str) -> None:
        self.pages.append(log_in(url, consent=self._consent))


def find_redirect(url: str, *, consent: bool = True) -> str:
    """Let alice log in at `url`, and return where she is sent then."""
    (redirect_uri,) = parse_qs(urlsplit(url).query)["redirect_uri"]
    with FormBrowser(redirect_uri) as browser:
        return browser.log_in(url, consent=consent).url


def log_in(url: str, *, consent: bool = True) -> str:
    """Let alice log in at `url`, and return the page that she sees at last."""
    with plain_session() as session:
        return session.get(find_redirect(url, consent=consent), timeout=WAIT).text


def use_browser(monkeypatch: pytest.MonkeyPatch, *, consent: bool = True) -> PersonAtBrowser:
    """Let a person sit before a display of this machine."""
    person = PersonAtBrowser(consent=consent)
    monkeypatch.setattr(desktop, "find_browser_problem", lambda: None)
    monkeypatch.setattr(desktop, "open_browser", person.open)
    monkeypatch.setattr(loopback, "LINGER_SECONDS", 0.0)
    return person


def use_browser_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give programs a display and a browser."""
    root = str(Path(__file__).parents[2])
    paths = [root, os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", f"{sys.executable} -m {__name__} %s")


if __name__ == "__main__":
    log_in(sys.argv[1])
