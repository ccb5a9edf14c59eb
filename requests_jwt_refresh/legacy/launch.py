"""Starting a program that then sends tokens, unmodified."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.errors import JWTRefreshError
from requests_jwt_refresh.profiles import PATH_VARIABLE, Profiles

from .dressing import NAMES_VARIABLE, TOLD_VARIABLE, say, say_logged_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SITE: Final = Path(__file__).with_name("site")
_LIBRARY: Final = "REQUESTS_JWT_LIBRARY"
_NEEDED: Final = ("requests_jwt_refresh", "keyring", "filelock", "platformdirs")
_CANNOT_RUN, _NOT_FOUND = 126, 127  # as a shell has them (POSIX, XCU §2.8.2)
_WITHOUT: Final = "the program runs without tokens"
_ISOLATING: Final = frozenset("EIS")  # options of Python that make it ignore PYTHONPATH or site


def run(names: Sequence[str], command: Sequence[str]) -> int:
    """Become `command`, with the tokens of the profiles `names`; return only if that fails.

    A faulty set-up is said on stderr, and the program runs as it would have without us.
    """
    arguments = _as_command(command)
    found = shutil.which(arguments[0])
    if found is None:
        return _failed(arguments[0])
    environment = {**os.environ, **_additions(names, os.environ)}
    if not _check(names):
        environment[TOLD_VARIABLE] = "1"
    _warn_of_isolation(arguments)
    if sys.platform == "win32":  # exec returns to the shell at once there
        return subprocess.run(arguments, env=environment, check=False).returncode  # noqa: S603
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(found, arguments, environment)  # noqa: S606 - what we are here for
    except OSError as error:
        sys.stderr.write(f"requests-jwt: {found} cannot be run ({error.strerror})\n")
    return _CANNOT_RUN


def _as_command(command: Sequence[str]) -> list[str]:
    """Return the whole command; options and scripts alone are for Python."""
    first = command[0]
    is_script = first.endswith((".py", ".pyz")) and not os.access(first, os.X_OK)
    if first.startswith("-") or is_script or Path(first).is_dir():
        return [_python(), *command]
    return list(command)


def _python() -> str:
    """Return the active environment's Python, or our own."""
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        folder = "Scripts" if sys.platform == "win32" else "bin"
        found = shutil.which("python", path=str(Path(active) / folder))
        if found is not None:
            return found
    return sys.executable


def _additions(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the program's environment has beyond ours: names and paths, and no secret."""
    before = environment.get("PYTHONPATH")
    path = f"{SITE}{os.pathsep}{before}" if before else str(SITE)
    added = {
        "PYTHONPATH": path,
        NAMES_VARIABLE: ",".join(names),
        _LIBRARY: os.pathsep.join(_folders()),
    }
    profiles = environment.get(PATH_VARIABLE)
    if profiles:  # the program may go to another folder
        added[PATH_VARIABLE] = str(Path(profiles).expanduser().absolute())
    return added


def _folders() -> list[str]:
    """Return where this library and what it needs are, for a Python that does not have them."""
    origins = [getattr(importlib.util.find_spec(name), "origin", None) for name in _NEEDED]
    return list(dict.fromkeys(str(Path(each).parent.parent) for each in origins if each))


def _check(names: Sequence[str]) -> bool:
    """Say what is wrong before the program starts: once, however many processes it will have."""
    for name in names:
        try:
            if Profiles.read().profile(name).store.load() is None:
                say_logged_out(name)
                return False
        except JWTRefreshError as error:
            say(str(error), _WITHOUT)
            return False
    return True


def _warn_of_isolation(arguments: Sequence[str]) -> None:
    if not Path(arguments[0]).name.startswith("python"):
        return
    for option in arguments[1:]:
        if not option.startswith("-") or option.startswith("--"):
            break
        if _ISOLATING & set(option[1:].partition("c")[0].partition("m")[0]):
            say(
                f"Python's {option} shuts out what `run` relies on",
                "the program runs without tokens",
            )


def _failed(name: str) -> int:
    is_there = Path(name).exists()
    problem = "cannot be executed" if is_there else "was not found"
    remedy = (
        f"make it executable, or name its interpreter: python {name}"
        if is_there
        else "give the command as you would without us: requests-jwt run NAME -- python script.py"
    )
    sys.stderr.write(f"requests-jwt: the command {name!r} {problem}\nrequests-jwt: {remedy}\n")
    return _CANNOT_RUN if is_there else _NOT_FOUND
