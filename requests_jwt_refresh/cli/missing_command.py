"""run: why a command cannot be started, and what to type in its place.

No argument is repeated that may be a secret: of a command, the program and a script are shown.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import UsageError
from requests_jwt_refresh.profiles.own_command import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests_jwt_refresh.profiles.load import Profiles

CANNOT_RUN, NOT_FOUND = 126, 127
"""Exit statuses, as a shell has them (POSIX, XCU §2.8.2)."""

_MAX_PATH: Final = 160  # characters of PATH that are shown
_PYTHON: Final = re.compile(r"(python[0-9.]*|py)(\.exe)?", re.IGNORECASE)
_OPTION: Final = re.compile("-[a-zA-Z]")  # of Python's
_ASSIGNMENT: Final = re.compile("([A-Za-z_][A-Za-z0-9_]*)=")


def is_script(path: str) -> bool:
    """Whether Python runs a file of this name."""
    return path.endswith((".py", ".pyz"))


# --- a command that is not there -----------------------------------------------------------------


def describe(command: Sequence[str], before: str, python: str) -> tuple[str, str, int]:
    """Return why `command` cannot be started, what to do, and the exit status.

    `before` is what was typed before it, see `write_start`; `python` is what runs a script.
    """
    name = command[0]
    if Path(name).exists():
        return _describe_file(name, before)
    assigned = _ASSIGNMENT.match(name)
    if assigned is not None:
        variable = f"{assigned[1]}=..."
        return (
            f"the command '{variable}' was not found",
            f"to set a variable, put env before it: {before} env {variable} COMMAND",
            NOT_FOUND,
        )
    program, *rest = name.split(maxsplit=1) or [name]
    if rest:
        return (
            f"the command '{program} ...' was not found: it is several words in one",
            f"give each word alone, without quotes around them: {before} {quote(program)} ...",
            NOT_FOUND,
        )
    if _has_folder(name):
        where = "" if Path(name).is_absolute() else _describe_folder()
        return f"the command {name!r} was not found{where}", "check its path", NOT_FOUND
    return _describe_search(name), _advise(command, before, python), NOT_FOUND


def _describe_file(name: str, before: str) -> tuple[str, str, int]:
    """Return the same for a file that is there, but is no program or not in PATH."""
    if _has_folder(name) or not os.access(name, os.X_OK):
        return (
            f"the command {name!r} cannot be executed",
            f"make it executable, or name its interpreter before it, such as: sh {quote(name)}",
            CANNOT_RUN,
        )
    here = quote(os.path.join(os.curdir, name))  # noqa: PTH118 - Path drops the "./"
    return (
        _describe_search(name),
        f"to run the file of that name in this folder: {before} {here}",
        NOT_FOUND,
    )


def _has_folder(name: str) -> bool:
    """Whether a command names a folder: then it is not looked for in PATH."""
    return os.path.dirname(name) != ""  # noqa: PTH120 - Path has "." for none


def _describe_folder() -> str:
    """Return where a relative path begins; "" in a folder that was deleted."""
    with suppress(OSError):
        return f" in the folder {Path.cwd()}"
    return ""


def _describe_search(name: str) -> str:
    return f"the command {name!r} was not found in PATH ({_describe_path()})"


def _advise(command: Sequence[str], before: str, python: str) -> str:
    name, *arguments = command
    if not _PYTHON.fullmatch(name):
        return "give its whole path, or add its folder to PATH"
    if not (arguments and _is_for_python(arguments[0])):
        return f"give the whole path of a Python, such as {quote(python)}"
    alone = f"{before} {_shorten(arguments)}"
    return (
        f"leave {name} out, and {python} runs it: {alone}; or give the whole path of another Python"
    )


def _is_for_python(word: str) -> bool:
    """Whether `run` puts Python before a command that begins with this word."""
    return is_script(word) or _OPTION.match(word) is not None or Path(word).is_dir()


def _describe_path() -> str:
    """Return what PATH says, cut between two folders if that is long."""
    path = os.environ.get("PATH")
    if not path:
        return "which is not set" if path is None else "which is empty"
    if len(path) <= _MAX_PATH:
        return path
    return f"{path[: path.rfind(os.pathsep, 0, _MAX_PATH) + 1] or path[:_MAX_PATH]}..."


# --- a command in the place of a profile's name --------------------------------------------------


def explain_forgotten_dashes(
    profiles: Profiles, names: Sequence[str], arguments: Sequence[str], account: str | None
) -> UsageError | None:
    """Return what to say if the only name is no profile but a program, with these arguments."""
    if len(names) != 1 or names[0] in profiles.content or not _is_program(names[0]):
        return None
    command = _shorten([*names, *arguments])
    alone = f"{write_start(None, account)} {command}"
    try:
        profiles.profile(names[0])
    except library.ProfileError as error:
        cause, remedy = error.cause, error.remedy
    if not profiles.names:
        return UsageError(cause, f"make one first with: requests-jwt init NAME; then: {alone}")
    try:
        profiles.choose(None)
    except library.ProfileError:
        advice = f"for a command, name a profile first: {write_start(['NAME'], account)} {command}"
    else:
        advice = f"for a command without a profile's name: {alone}"
    is_question = remedy.endswith("?")
    return UsageError(cause, f"{remedy} Or {advice}" if is_question else f"{remedy}; {advice}")


def _is_program(name: str) -> bool:
    return is_script(name) or shutil.which(name) is not None or Path(name).exists()


# --- how commands are shown ----------------------------------------------------------------------


def write_start(names: Sequence[str] | None, account: str | None) -> str:
    """Return what stands before a command: ``requests-jwt run prod --account bob --``."""
    words = ["requests-jwt", "run"]
    words += [quote(",".join(names))] if names else []
    words += ["--account", quote(account)] if account is not None else []
    return " ".join([*words, "--"])


def _shorten(command: Sequence[str]) -> str:
    """Return a command up to its script or its first argument; "..." stands for what is left."""
    count = 2 if len(command) > 1 and is_script(command[1]) else 1
    # What follows an option in the same word may be code.
    shown = [word[:2] if _OPTION.match(word) else quote(word) for word in command[:count]]
    return " ".join([*shown, *(["..."] if len(command) > count else [])])
