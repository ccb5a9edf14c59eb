"""Whether a person with a browser sits at this machine, and opening a page there."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import webbrowser

_FALSE: Final = ("", "0", "false", "no", "off")
_REMOTE: Final = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_DISPLAYS: Final = ("DISPLAY", "WAYLAND_DISPLAY")
_MINUTE: Final = 60  # seconds
FAILURE_SECONDS: Final = 0.5  # in which a program that cannot be run, or is no browser, has ended
_WSL_OPENER: Final = "wslview"  # of wslu; opens the browser of Windows, which reaches our loopback


def find_browser_problem() -> str | None:
    """Return why no browser can be opened for a person here; None if one can.

    There has to be a display, and somebody who has started the program from a terminal or works in
    a notebook; what runs for CI has nobody.
    """
    return find_absence() or (None if _has_display() else "there is no display")


def find_absence() -> str | None:
    """Return why nobody seems to be there who could log in; None if somebody may be."""
    if _is_ci():
        return "CI is set, so nobody is there to log in"
    if not (is_terminal() or is_notebook()):
        return "stdin is no terminal, so perhaps nobody is there"
    return None


def is_read_by_person() -> bool:
    """Whether a person reads stderr: it is a terminal, and CI is not set."""
    with suppress(AttributeError, ValueError):  # None, or closed
        return sys.stderr.isatty() and not _is_ci()
    return False


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in _FALSE


def is_terminal() -> bool:
    """Whether stdin is a terminal."""
    with suppress(AttributeError, ValueError):  # None, or closed
        return sys.stdin.isatty()
    return False


def is_notebook() -> bool:
    """Whether this is an IPython kernel, where `input` asks in the notebook."""
    find_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return getattr(find_shell() if callable(find_shell) else None, "kernel", None) is not None


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return not any(os.environ.get(name) for name in _REMOTE)
    return any(os.environ.get(name) for name in _DISPLAYS) or _find_wsl_opener() is not None


def _find_wsl_opener() -> str | None:
    return shutil.which(_WSL_OPENER) if os.environ.get("WSL_DISTRO_NAME") else None


def open_browser(url: str) -> bool:
    """Open `url` in the user's browser; whether that worked. BROWSER goes first, as ever.

    True does not say that anybody sees a page: a browser may fail later.
    """
    import webbrowser  # not for those who only ask whether a person is there

    opener = None if os.environ.get("BROWSER") else _find_wsl_opener()
    with suppress(webbrowser.Error, RuntimeError):  # RuntimeError: out of threads
        browser = webbrowser.get(f"{_WSL_OPENER} %s &") if opener else webbrowser.get()
        return _open_in_thread(browser, url) if _blocks(browser) else _open(browser, url)
    return False


def _open(browser: webbrowser.BaseBrowser, url: str) -> bool:
    with suppress(Exception):  # a program that cannot be run; a class of the user's may raise more
        return browser.open(url)
    return False


def _open_in_thread(browser: webbrowser.BaseBrowser, url: str) -> bool:
    """Do the same with a browser that may block until it is closed; a failure shows at once."""
    opened: SimpleQueue[bool] = SimpleQueue()

    def run() -> None:
        opened.put(_open(browser, url))

    threading.Thread(target=run, name="jwt-browser", daemon=True).start()
    try:
        return opened.get(timeout=FAILURE_SECONDS)
    except Empty:
        return True


def _blocks(browser: object) -> bool:
    """Whether `open` may return only once the browser is closed.

    One for text may, BROWSER's, and one that the program has registered.
    """
    import webbrowser

    if isinstance(browser, webbrowser.BackgroundBrowser):
        return False
    is_of_library = type(browser).__module__ == webbrowser.__name__
    return isinstance(browser, webbrowser.GenericBrowser) or not is_of_library


def format_wait(seconds: float) -> str:
    """Say how long a person has: ``"5 min"``, or ``"20 s"`` if that is less than a minute."""
    return f"{seconds:.0f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"


def tell(text: str) -> None:
    """Write to stderr, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()
