"""What every command says and asks: exit statuses, errors, times, questions.

Imports nothing of weight, so that ``--help`` and completion answer at once.
"""

from __future__ import annotations

import os
import sys
import textwrap
import time
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.errors import JWTRefreshError


class Exit(IntEnum):
    """The exit statuses of every command but `run`, whose status is the program's own."""

    DONE = 0
    FAULT = 1  # it failed, for another reason than those below
    USAGE = 2  # the arguments or the profile cannot be used
    LOG_IN = 3  # there is no token, or the server refused it
    TRY_LATER = 4  # the server could not be asked, the tokens are kept
    STORE = 5  # the keyring, file or Redis cannot be read or written
    INTERRUPTED = 128 + 2  # as a shell reports SIGINT
    BROKEN_PIPE = 128 + 13  # as a shell reports SIGPIPE


class UsageError(Exception):
    """What is wrong with the arguments, the answers or the input, and what to do about it."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause, self.remedy = cause, remedy


# --- errors --------------------------------------------------------------------------------------


def complain(cause: str, remedy: str) -> None:
    """Write one line of cause and one of remedy on stderr."""
    from requests_jwt_refresh.profiles.schema import printable

    with suppress(OSError):  # the exit status says it all the same
        for line in (cause, remedy):
            sys.stderr.write(f"requests-jwt: {printable(line)}\n")


def report(error: JWTRefreshError, name: str | None) -> Exit:
    """Write what went wrong and what to do; return the exit status that says the same.

    `name` is that of the profile, if there is one.
    """
    complain(error.cause, remedy_for(error, name))
    return _default(error)[0]


def remedy_for(error: JWTRefreshError, name: str | None) -> str:
    """Return what to do about an error, in the words of the command line."""
    is_specific = error.remedy != type(error).remedy
    return fill_in(error.remedy if is_specific else _default(error)[1], name)


def fill_in(remedy: str, name: str | None) -> str:
    """Return a remedy in the words of the command line, about the profile `name`."""
    from requests_jwt_refresh.profiles.load import is_name

    name = name if name is not None and is_name(name) else "NAME"
    for in_python, in_a_profile in _IN_A_PROFILE.items():
        remedy = remedy.replace(in_python, in_a_profile)
    for ending, command in _COMMANDS.items():
        if remedy.endswith(ending):
            remedy += command
    remedy = remedy.replace("[NAME.", f'["{name}".' if "." in name else f"[{name}.")
    for command in ("init", "login", "doctor"):
        remedy = remedy.replace(f"requests-jwt {command} NAME", f"requests-jwt {command} {name}")
    return remedy


# What the library says to programmers, and how a profile says it.
_IN_A_PROFILE: Final = {
    "use FileStore or MemoryStore instead": "keep the token in a file: kind = 'file' in "
    "[NAME.store]",
    "allow_plaintext=True": "allow_plaintext = true in [NAME.store]",
}


# What follows an advice of the library's on the command line.
_COMMANDS: Final = {
    "log in again": " with: requests-jwt login NAME",
    "try again later": ", or look closer with: requests-jwt doctor NAME",
}


def _default(error: JWTRefreshError) -> tuple[Exit, str]:
    """Return the exit status of an error, and what to do if the error itself does not say."""
    from requests_jwt_refresh import errors

    if isinstance(error, errors.ProfileError):
        return Exit.USAGE, "list all profiles with: requests-jwt profiles; or edit that file"
    if isinstance(error, errors.InvalidToken):
        return Exit.USAGE, "give the token alone, on a line of its own"
    if isinstance(error, errors.RefreshRejected):
        return Exit.LOG_IN, "log in, or try again, with: requests-jwt login NAME"
    if isinstance(error, errors.RefreshUnavailable):
        return Exit.TRY_LATER, (
            "the tokens are kept; try again later, or look closer with: requests-jwt doctor NAME"
        )
    if isinstance(error, errors.StoreError):
        return Exit.STORE, "nothing was changed; look closer with: requests-jwt doctor NAME"
    return Exit.FAULT, "look closer with: requests-jwt doctor NAME"


# --- times ---------------------------------------------------------------------------------------

LAST_MOMENT: Final = 253402300799.0  # seconds since the epoch; the year 9999 ends with it
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``4 min 32 s``."""
    left, parts = int(seconds), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def format_expiry(end: float) -> str:
    """Return what becomes of something at `end`, in seconds since the epoch: a predicate."""
    if end < 0:
        return "expired long ago"
    if not end <= LAST_MOMENT:
        return "does not expire"
    left = end - clock.time()
    if left <= 0:
        return f"expired {format_duration(-left)} ago"
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end))
    return f"expires in {format_duration(left)} ({moment})"


# --- layout --------------------------------------------------------------------------------------

_MAX_VALUE: Final = 60  # columns
_WIDTH: Final = 80  # columns, if COLUMNS does not say otherwise
_MIN_TEXT: Final = 20  # columns


def sanitize(value: object) -> str:
    """Return what a server wrote so that it cannot steer the terminal, cut to 60 columns."""
    text = value if isinstance(value, str) else str(value)
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _MAX_VALUE else f"{shown[: _MAX_VALUE - 3]}..."


def write_row(label: str, text: str) -> None:
    """Write one row of a table with two columns."""
    sys.stdout.write(f"{hanging_indent(f'{label:<14} ', text)}\n")


def write_json(content: object) -> None:
    """Write `content` for programs."""
    import json

    sys.stdout.write(f"{json.dumps(content, indent=2)}\n")


def hanging_indent(start: str, text: str) -> str:
    """Return `start` and `text`, whose further lines are indented by the length of `start`.

    Lines are as long as the environment's COLUMNS, 80 by default. Words are left whole, so that
    paths and URLs can be copied.
    """
    given = os.environ.get("COLUMNS", "")
    width = int(given) if given.isdecimal() and int(given) else _WIDTH
    room = max(width - len(start), _MIN_TEXT)
    lines = textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False) or [""]
    return f"\n{'':<{len(start)}}".join([start + lines[0], *lines[1:]])


# --- questions -----------------------------------------------------------------------------------


def ask(question: str) -> str:
    """Ask for something that is no secret: on a terminal, else in a line of standard input.

    Raises EOFError if there is no answer.
    """

    def read_shown() -> str:
        if sys.stdin.isatty():
            sys.stderr.write(question)
            sys.stderr.flush()
        return sys.stdin.readline()

    return _read_line(read_shown).strip()  # it also minds a Ctrl-C right after the question


def ask_secret(question: str) -> str:
    """Ask for a secret: on a terminal without an echo, else in a line of standard input.

    Raises EOFError if there is no answer.
    """
    import getpass

    def read_hidden() -> str:
        return f"{getpass.getpass(question)}\n"  # with the line break, as any other line has it

    is_terminal = sys.stdin.isatty()
    secret = _read_line(read_hidden if is_terminal else sys.stdin.readline).rstrip("\r\n")
    if not secret:
        raise EOFError
    return secret


def _read_line(read: Callable[[], str]) -> str:
    """Return the line that `read` reads. Raises EOFError if there is none."""
    line = ""
    try:
        line = read()
        line.encode()  # a byte that is no text may have come through in disguise (PEP 383)
    except UnicodeError:
        line = ""
    else:
        if not line:
            raise EOFError
        return line
    finally:
        # Ctrl-C, Ctrl-D or no text: what is said next begins on a line of its own.
        if not line and sys.stdin.isatty() and sys.stderr.isatty():
            sys.stderr.write("\n")
            sys.stderr.flush()
    raise UsageError("the input is not UTF-8 text", "convert it: iconv -f latin1 -t utf-8")
