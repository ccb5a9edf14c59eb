"""How a person calls the command line from here: not everywhere is it in PATH.

Most programs never say so: what only that needs is imported then.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "requests-jwt"
COMMAND_VARIABLE: Final = "REQUESTS_JWT_COMMAND"
"""In which `run` tells the program how it was called itself: that may have another Python."""

_MODULE: Final = "requests_jwt_refresh"
_NAMES: Final = (NAME, "requests-jwt-refresh")
_MENTION: Final = re.compile(rf"(?<![\w/\\.=-]){NAME}(?= (?:--)?[a-z])")


def spell_out(remedy: str) -> str:
    """Return `remedy` with its commands such as ``requests-jwt login`` as they can be typed here.

    Each begins with the whole path of the command where that is not in PATH.
    """
    import shutil

    if not _MENTION.search(remedy) or shutil.which(NAME):
        return remedy
    command = find_command()
    return _MENTION.sub(lambda _: command, remedy)


def find_command() -> str:
    """Return how to call this library's command line by its whole path, as shells take it."""
    running = (getattr(sys, "argv", None) or [""])[0]  # none where another program embeds Python
    if isinstance(running, str) and _is_own(running):
        return quote(str(Path(running).absolute()))
    given = os.environ.get(COMMAND_VARIABLE)
    if given and _is_there(given):
        return given
    found = next(filter(os.path.isfile, _list_places()), None)
    if found is not None:
        return quote(found)
    if not sys.executable or getattr(sys, "frozen", False):  # PyInstaller's: it is no Python
        return NAME
    return f"{quote(sys.executable)} -m {_MODULE}"


def _is_own(path: str) -> bool:
    """Whether a path is that of this command."""
    return Path(path).name.removesuffix(".exe") in _NAMES and os.path.isfile(path)  # noqa: PTH113 - Path raises where a folder cannot be read


def _is_there(command: str) -> bool:
    """Whether a command as shells take it begins with a file: it may be of an older environment."""
    import shlex

    words: list[str] = []
    with suppress(ValueError):
        words = shlex.split(command, posix=sys.platform != "win32")
    return bool(words) and os.path.isfile(words[0].strip('"'))  # noqa: PTH113 - likewise


def _list_places() -> Iterator[str]:
    """Yield where this Python's commands may be."""
    import sysconfig

    file = f"{NAME}.exe" if sys.platform == "win32" else NAME
    if sys.executable:
        yield str(Path(sys.executable).with_name(file))
    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
        yield str(Path(sysconfig.get_path("scripts", scheme), file))


def quote(word: str) -> str:
    """Return a word as this system's shells take it."""
    if sys.platform == "win32":
        import subprocess

        return subprocess.list2cmdline([word])
    import shlex

    return shlex.quote(word)


def hide_value(word: str) -> str:
    """Return a word without what may be a secret in it: what follows "=" or "://".

    >>> hide_value("TOKEN=abc"), hide_value("https://me:pw@api.example.com"), hide_value("prod")
    ('TOKEN=...', 'https://...', 'prod')
    """
    found = re.search("=|://", word)
    return word if found is None else f"{word[: found.end()]}..."
