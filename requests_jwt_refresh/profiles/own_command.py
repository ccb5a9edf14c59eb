"""How a person calls the command line from here: not everywhere is it in PATH.

Most programs never say so: what only that needs is imported then.
"""

from __future__ import annotations

import os
import re
import sys
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
    if Path(running).stem in _NAMES and Path(running).is_file():
        return quote(str(Path(running).absolute()))
    given = os.environ.get(COMMAND_VARIABLE)
    if given:
        return given
    found = next(filter(os.path.isfile, _list_places()), None)
    if found is not None:
        return quote(found)
    if not sys.executable or getattr(sys, "frozen", False):  # PyInstaller's: it is no Python
        return NAME
    return f"{quote(sys.executable)} -m {_MODULE}"


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
