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
from requests_jwt_refresh.profiles.own_command import hide_value, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests_jwt_refresh.profiles.load import Profiles

CANNOT_RUN, NOT_FOUND = 126, 127
"""Exit statuses, as a shell has them (POSIX, XCU §2.8.2)."""

_MAX_PATH: Final = 160  # characters of PATH that are shown
_PYTHON: Final = re.compile(r"(python[0-9.]*|py)(\.exe)?", re.IGNORECASE)
_OPTION: Final = re.compile("-[a-zA-Z]")  # of Python's
_ASSIGNMENT: Final = re.compile("[A-Za-z_][A-Za-z0-9_.+-]*=")
_PLAIN_SCRIPT: Final = re.compile(r"[^-=][^=]*\.pyz?")
_MAX_FIRST_LINE: Final = 256  # bytes, as Linux reads of it


def is_script(path: str) -> bool:
    """Whether Python runs a file of this name."""
    return path.endswith((".py", ".pyz"))


# --- a command that is not there -----------------------------------------------------------------


def describe(command: Sequence[str], before: str, python: str) -> tuple[str, str, int]:
    """Return why `command` cannot be started, what to do, and the exit status.

    `before` is what was typed before it, see `write_start`; `python` is what runs a script.
    """
    name = command[0]
    if os.path.exists(name):  # noqa: PTH110 - Path raises for a folder that cannot be read
        return _describe_file(name, before)
    if _ASSIGNMENT.match(name):
        variable = hide_value(name)
        return (
            f"the command '{variable}' was not found",
            f"to set a variable, put env before it: {before} env {variable} COMMAND",
            NOT_FOUND,
        )
    program, *rest = name.split(maxsplit=1) or [name]
    if rest and not _has_folder(program):  # or it is a path with a space in it
        shown = hide_value(program)
        return (
            f"the command '{shown} ...' was not found: it is several words in one",
            f"give each word alone, without quotes around them: {before} {quote(shown)} ...",
            NOT_FOUND,
        )
    if _has_folder(name):
        where = "" if Path(name).is_absolute() else _describe_folder()
        shown = hide_value(name) if not rest else f"{hide_value(program)} ..."
        remedy = "check its path" if not rest else "check its path, and give each word alone"
        return f"the command {shown!r} was not found{where}", remedy, NOT_FOUND
    return _describe_search(name), _advise(command, before, python), NOT_FOUND


def _describe_file(name: str, before: str) -> tuple[str, str, int]:
    """Return the same for a file that is there, but is no program or not in PATH."""
    if _has_folder(name) or not os.access(name, os.X_OK):
        remedy = f"make it executable with: chmod +x {quote(name)}"
        interpreter = _find_interpreter(name)
        if interpreter is not None:
            remedy += f"; or name its interpreter: {before} {interpreter} {quote(name)}"
        return f"the command {name!r} cannot be executed", remedy, CANNOT_RUN
    return (
        _describe_search(name),
        f"to run the file of that name in this folder: {before} {quote(_put_folder_before(name))}",
        NOT_FOUND,
    )


def _find_interpreter(path: str) -> str | None:
    """Return what the first line of a script names to run it, None if it names nothing."""
    with suppress(OSError), open(path, "rb") as file:  # noqa: PTH123 - a name as it was typed
        line = file.readline(_MAX_FIRST_LINE)
        if line.startswith(b"#!") and line.isascii():
            return line[2:].decode().strip() or None
    return None


def _has_folder(name: str) -> bool:
    """Whether a command names a folder: then it is not looked for in PATH."""
    return os.path.dirname(name) != ""  # noqa: PTH120 - Path has "." for none


def _is_in_this_folder(name: str) -> bool:
    return shutil.which(name) is None and os.access(name, os.X_OK)


def _put_folder_before(name: str) -> str:
    return os.path.join(os.curdir, name)  # noqa: PTH118 - Path drops the "./"


def _describe_folder() -> str:
    """Return where a relative path begins; "" in a folder that was deleted."""
    with suppress(OSError):
        return f" in the folder {Path.cwd()}"
    return ""


def _describe_search(name: str) -> str:
    return f"the command {hide_value(name)!r} was not found in PATH ({_describe_path()})"


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
    is_folder = os.path.isdir(word)  # noqa: PTH112 - Path raises for one that cannot be read
    return is_script(word) or _OPTION.match(word) is not None or is_folder


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
    if len(names) != 1 or names[0] in profiles.content or not is_program(names[0]):
        return None
    command = _shorten(_leave_python_out([*names, *arguments]))
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


def is_program(name: str) -> bool:
    """Whether a word is a command rather than a profile's name."""
    is_known = _PYTHON.fullmatch(name) is not None or _ASSIGNMENT.match(name) is not None
    is_file = os.path.exists(name)  # noqa: PTH110 - Path raises for a folder that cannot be read
    return is_known or is_script(name) or shutil.which(name) is not None or is_file


def _leave_python_out(command: Sequence[str]) -> Sequence[str]:
    """Return a command without a Python that is not there, where `run` puts one before it."""
    is_missing = _PYTHON.fullmatch(command[0]) is not None and shutil.which(command[0]) is None
    return (
        command[1:] if is_missing and len(command) > 1 and _is_for_python(command[1]) else command
    )


# --- how commands are shown ----------------------------------------------------------------------


def write_start(names: Sequence[str] | None, account: str | None) -> str:
    """Return what stands before a command: ``requests-jwt run prod --account bob --``."""
    words = ["requests-jwt", "run"]
    words += [quote(",".join(names))] if names else []
    words += ["--account", quote(account)] if account is not None else []
    return " ".join([*words, "--"])


def _shorten(command: Sequence[str]) -> str:
    """Return a command up to its script or its first argument; "..." stands for what is left."""
    if _ASSIGNMENT.match(command[0]):
        return f"env {hide_value(command[0])} ..."
    count = 2 if len(command) > 1 and _PLAIN_SCRIPT.fullmatch(command[1]) else 1
    # What follows an option in the same word may be code.
    shown = [word[:2] if _OPTION.match(word) else quote(word) for word in command[:count]]
    if not _has_folder(command[0]) and not is_script(command[0]) and _is_in_this_folder(command[0]):
        shown[0] = quote(_put_folder_before(command[0]))
    return " ".join([*shown, *(["..."] if len(command) > count else [])])
