"""The folders of this user, where they can be told; no path is ever taken with its ``~`` in it.

`os.path.expanduser` leaves the ``~`` where it finds no home, and makes ``/`` of an empty HOME: what
is written then would land in a folder called ``~``, or at the root. Versions of platformdirs differ
in that, too. Here a HOME that is empty or relative counts as none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, Literal

_APP: Final = "requests-jwt-refresh"
_BELOW_HOME: Final = {"config": ".config", "state": ".local/state"}
_BELOW_MACOS_HOME: Final = "Library/Application Support"


class NoHome(LookupError):
    """There is no home folder; the text says why, as a part of a sentence."""


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Return `path` with a ``~`` or ``~user`` at its start replaced by that home folder.

    Raises NoHome.
    """
    first, *others = Path(path).parts or ("",)
    if first == "~":
        return find_home().joinpath(*others)
    try:
        return Path(path).expanduser()
    except RuntimeError:
        pass
    raise NoHome(f"there is no user {first[1:]!r}")


def find_folder(kind: Literal["config", "state"]) -> Path:
    """Return this user's folder for our configuration or state, made or not. Raises NoHome."""
    import platformdirs

    find = platformdirs.user_config_path if kind == "config" else platformdirs.user_state_path
    chosen = os.environ.get(f"XDG_{kind.upper()}_HOME", "").strip()
    # A relative one is to be ignored, says the XDG Base Directory Specification.
    if sys.platform == "win32" or _is_absolute(chosen) or (_home_variable() and not chosen):
        return find(_APP, appauthor=False)
    below = _BELOW_MACOS_HOME if sys.platform == "darwin" else _BELOW_HOME[kind]
    return find_home() / below / _APP


def find_home() -> Path:
    """Return this user's home folder, whether it exists or not. Raises NoHome."""
    home = _home_variable() or _home_from_system()
    if home:
        return Path(home)
    variable = "USERPROFILE" if sys.platform == "win32" else "HOME"
    given = os.environ.get(variable)
    fault = "not set" if given is None else "not an absolute path" if given else "empty"
    raise NoHome(f"{variable} is {fault}, and the system knows no home of this user")


def _home_variable() -> str:
    """Return the home folder that the environment names, "" if it names none."""
    home = os.path.expanduser("~") if sys.platform == "win32" else os.environ.get("HOME", "")  # noqa: PTH111 - it may find none
    return home if _is_absolute(home) else ""


def _home_from_system() -> str:
    if sys.platform == "win32":
        return ""
    import pwd

    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container that runs under a number without a name
        return ""
    return home if _is_absolute(home) else ""


def _is_absolute(path: str) -> bool:
    return bool(path) and Path(path).is_absolute()
