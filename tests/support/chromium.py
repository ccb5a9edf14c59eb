"""A real browser without a screen: Debian's chromium and chromium-driver, through selenium.

It reaches this machine alone: every other name is unknown to it. A test that asks for it is skipped
where it is not installed; `.ci/run` installs it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver.remote.webelement import WebElement
    from typing_extensions import Self

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_MOST_PAGES: Final = 10  # a login that takes more goes round in a circle
_ARGUMENTS: Final = (
    "--headless=new",
    "--no-sandbox",  # it would not start as root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container's is too small
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--proxy-server=direct://",
)


class Chromium:
    """A browser with no cookies yet. A context manager."""

    def __init__(self) -> None:
        browser = _find_browser()
        from selenium.webdriver import Chrome, ChromeOptions
        from selenium.webdriver.chrome.service import Service

        options = ChromeOptions()
        options.binary_location = browser
        for each in _ARGUMENTS:
            options.add_argument(each)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Given a path, selenium looks for no driver on the network.
        service = Service(shutil.which("chromedriver"), log_output=os.devnull)
        self.driver = Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.driver.quit()

    @property
    def url(self) -> str:
        return self.driver.current_url

    @property
    def title(self) -> str:
        return self.driver.title

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return self.driver.find_element("tag name", "body").text

    @property
    def console(self) -> list[str]:
        """What the browser has complained of since the last look, such as a forbidden script."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]

    def open(self, url: str) -> None:
        """Open a page in the tab that is shown."""
        self.driver.get(url)

    def open_tab(self, url: str) -> None:
        """Open a page in a new tab, and show that."""
        self.driver.switch_to.new_window("tab")
        self.driver.get(url)

    def show_tab(self, number: int) -> None:
        """Show another tab; the first is number 0."""
        self.driver.switch_to.window(self.driver.window_handles[number])

    def close_tab(self) -> None:
        """Close the tab that is shown, and show the first."""
        self.driver.close()
        self.show_tab(0)

    def reload(self) -> None:
        self.driver.refresh()

    def save_picture(self, path: str) -> None:
        """Save what is seen as a PNG."""
        self.driver.save_screenshot(path)

    def wait_for(self, is_so: Callable[[Self], object], what: str = "it") -> None:
        """Return as soon as `is_so` of this browser. Raises AssertionError after WAIT seconds."""
        from selenium.common import TimeoutException
        from selenium.webdriver.support.wait import WebDriverWait

        try:
            WebDriverWait(self.driver, WAIT, 0.05).until(lambda _: is_so(self))
        except TimeoutException:
            raise AssertionError(f"{what} did not happen: {self.url}, {self.text}") from None

    def find(self, selector: str) -> list[WebElement]:
        """Return what a CSS selector finds."""
        return self.driver.find_elements("css selector", selector)

    def click(self, element: WebElement) -> None:
        """Click on what leads to another page, and wait for that."""
        page = self.driver.find_element("tag name", "html")
        element.click()
        self.wait_for(lambda _: _is_gone(page), "another page")

    def log_in(
        self, url: str, redirect_uri: str, *, user: str = "alice", consent: bool = True
    ) -> None:
        """Go through the pages at `url` as `user`, who consents or not, to the redirect URI.

        The oidc-provider's pages, and AuthServer's.
        """
        self.open(url)
        for _ in range(_MOST_PAGES):
            if self.url.startswith(redirect_uri):
                return
            self._answer(user, consent=consent)
        raise AssertionError(f"pages without end: {self.url}, {self.text}")

    def _answer(self, user: str, *, consent: bool) -> None:
        for field in self.find("input[name=login], input[name=username]"):
            field.send_keys(user)
        for field in self.find("input[name=password]"):
            field.send_keys("any")
        is_login = bool(self.find("input[name=login]"))  # the provider asks for consent after it
        decision = "allow" if consent else "deny"
        buttons = self.find(f"button[name=decision][value={decision}]")
        if not consent and not is_login:
            buttons = buttons or self.find("a[href$='/abort']")
        (button, *_) = buttons or self.find("button[type=submit], button")
        self.click(button)


def _is_gone(page: WebElement) -> bool:
    """Whether there is another page: the element is stale, or there is no word for it yet."""
    from selenium.common import WebDriverException

    try:
        page.is_enabled()
    except WebDriverException:
        return True
    return False


def _find_browser() -> str:
    """Return the browser's path, or skip the test."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None or shutil.which("chromedriver") is None:
        pytest.skip("no browser to test with: install chromium and chromium-driver")
    if importlib.util.find_spec("selenium") is None:
        pytest.skip("no selenium: install this distribution's extra test")
    return found
