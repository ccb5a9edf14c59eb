"""What all commands share: exit statuses, errors, times, layout, questions.

Imports nothing of weight, so that ``--help`` and completion answer at once.
"""

from __future__ import annotations

import io
import os
import re
import sys
import textwrap
import time
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from requests_jwt_refresh import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.errors import JWTRefreshError


class Exit(IntEnum):
    """The exit statuses of every command but `run`, whose status is the program's own."""

    DONE = 0
    FAULT = 1  # it failed, for another reason than those below
    USAGE = 2  # the arguments or the profile cannot be used, or do not fit the server
    LOG_IN = 3  # there is no token, or the server refused it
    TRY_LATER = 4  # the server could not be asked, the tokens are kept; `logout` forgets them
    STORE = 5  # the keyring, file or Redis cannot be read or written
    INTERRUPTED = 128 + 2  # as a shell reports SIGINT
    BROKEN_PIPE = 128 + 13  # as a shell reports SIGPIPE


class UsageError(Exception):
    """The arguments, the answers or the input cannot be used; `cause` and `remedy` say why."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause, self.remedy = cause, remedy


# --- errors --------------------------------------------------------------------------------------


def complain(cause: str, remedy: str) -> None:
    """Write one line of cause and one of remedy on stderr."""
    from requests_jwt_refresh.profiles.own_command import spell_out
    from requests_jwt_refresh.profiles.schema import make_printable

    with suppress(OSError):  # the exit status still says it
        for line in (cause, spell_out(remedy)):
            sys.stderr.write(f"requests-jwt: {make_printable(line)}\n")


def report(error: JWTRefreshError, name: str | None) -> Exit:
    """Write what went wrong and what to do; return the exit status that says the same.

    `name` is that of the profile, if there is one.
    """
    complain(error.cause, remedy_for(error, name))
    return _choose_default(error)[0]


def remedy_for(error: JWTRefreshError, name: str | None) -> str:
    """Return what to do about an error, in the words of the command line."""
    is_specific = error.remedy != type(error).remedy
    return fill_in(error.remedy if is_specific else _choose_default(error)[1], name)


def fill_in(remedy: str, name: str | None) -> str:
    """Return a remedy in the words of the command line, about the profile `name`.

    It may be a profile's `reference`, with its account.
    """
    from requests_jwt_refresh.profiles.load import is_name

    profile, separator, _ = (name or "").partition(" --account ")
    profile = profile if is_name(profile) else "NAME"
    reference = name if separator and profile != "NAME" else profile
    for in_python, in_a_profile in _PROFILE_WORDING.items():
        remedy = remedy.replace(in_python, in_a_profile)
    remedy = _RULE_IN_PYTHON.sub(_write_rule, remedy)
    remedy = _MORE_RULE_IN_PYTHON.sub(_write_more_rule, remedy)
    remedy = "; ".join(map(_add_command, remedy.split("; ")))
    quoted = f'"{profile}"' if "." in profile else profile
    remedy = remedy.replace("[NAME.", f"[{quoted}.").replace("[NAME]", f"[{quoted}]")
    remedy = remedy.replace("requests-jwt init NAME", f"requests-jwt init {profile}")
    for command in ("login", "doctor"):
        remedy = remedy.replace(
            f"requests-jwt {command} NAME", f"requests-jwt {command} {reference}"
        )
    return remedy


def _add_command(part: str) -> str:
    found = (add for ending, add in _COMMAND_ENDINGS.items() if part.endswith(ending))
    return part + next(found, "")


# What the library says to programmers, and how a profile says it.
_IN_A_FILE: Final = "keep the token in a file, with: requests-jwt login NAME --store file"
_PROFILE_WORDING: Final = {
    "use FileStore or MemoryStore instead": _IN_A_FILE,
    'keep the token in a file: FileStore("~/.local/state/myapp/token.json")': _IN_A_FILE,
    "url=, send= and access= of the PasswordLogin": "url, send and access in [NAME.login]",
    'the login needs send="oauth2"': 'set send = "oauth2" in [NAME.login]',
    "token_url= of the login, and the client": (
        "token_url in [NAME.browser] or [NAME.device], url and client_id in [NAME.refresh]"
    ),
    "(username_field, password_field)": "(username_field, password_field in [NAME.login])",
    "(password_field)": "(password_field in [NAME.login])",
    "allow_plaintext=True": "allow_plaintext = true in [NAME.store]",
}


_FIELD_RULE: Final = r"json_field\('(?P<path>[^']+)', '(?P<code>[^']+)'\)"
_RULE_IN_PYTHON: Final = re.compile(
    rf"give rejected={_FIELD_RULE}(?P<login> to the PasswordLogin)?"
)
_MORE_RULE_IN_PYTHON: Final = re.compile(
    rf"add {_FIELD_RULE} to rejected=(?P<login> of the PasswordLogin)? with any_of\(\)"
)


def _write_rule(found: re.Match[str]) -> str:
    """Return the same rule as a profile has it."""
    return f"write rejected = {_format_rule(found)} in {_table_of_rule(found)}"


def _write_more_rule(found: re.Match[str]) -> str:
    """Likewise, beside the rule that the profile has."""
    rules = f"any_of = [{{ ... }}, {_format_rule(found)}]"
    return (
        f"write rejected = {{ {rules} }} in {_table_of_rule(found)}, with what stands there now in "
        "place of the dots,"
    )


def _format_rule(found: re.Match[str]) -> str:
    return f'{{ json_field = "{found["path"]}", value = "{found["code"]}" }}'


def _table_of_rule(found: re.Match[str]) -> str:
    return f"[NAME.{'login' if found['login'] else 'refresh'}]"


# What the command line adds to a part of a remedy of the library, by how that ends.
_COMMAND_ENDINGS: Final = {
    "log in again": " with: requests-jwt login NAME",
    "try again later": ", or look closer with: requests-jwt doctor NAME",
    "client_secret, and client_auth": (
        "; give another secret with: requests-jwt login NAME --client-secret -, or in its file"
    ),
}


def _choose_default(error: JWTRefreshError) -> tuple[Exit, str]:
    """Return the exit status of an error, and what to do if the error itself does not say."""
    from requests_jwt_refresh import errors

    if isinstance(error, errors.ProfileError):
        return Exit.USAGE, "list all profiles with: requests-jwt profiles; or edit that file"
    if isinstance(error, errors.InvalidToken):
        return Exit.USAGE, "give the token alone, on a line of its own"
    if isinstance(error, errors.RefreshRejected):
        return Exit.LOG_IN, "log in, or try again, with: requests-jwt login NAME"
    if isinstance(error, errors.RefreshUnavailable):
        return Exit.USAGE if error.is_set_up_fault else Exit.TRY_LATER, (
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
    """Return when something expires or expired, as in "expires in 5 min (2030-01-31 12:00:00)".

    `end` is in seconds since the epoch.
    """
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
DEFAULT_COLUMNS: Final = 80
_MIN_TEXT: Final = 20  # columns


def sanitize(value: object) -> str:
    """Return a text from a server, cut to 60 columns and without control characters."""
    text = value if isinstance(value, str) else str(value)
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _MAX_VALUE else f"{shown[: _MAX_VALUE - 3]}..."


def write_row(label: str, text: str) -> None:
    """Write one row of a table with two columns, on stdout."""
    sys.stdout.write(f"{hanging_indent(f'{label:<14} ', text)}\n")


def write_step(text: str) -> None:
    """Write one line with the command to type next on stdout."""
    from requests_jwt_refresh.profiles.own_command import spell_out

    sys.stdout.write(f"{spell_out(text)}\n")


def write_json(content: object) -> None:
    """Write `content` as JSON on stdout."""
    import json

    sys.stdout.write(f"{json.dumps(content, indent=2)}\n")


def hanging_indent(start: str, text: str) -> str:
    """Return `start` and `text`, whose further lines are indented by the length of `start`.

    Lines are as long as the environment's COLUMNS, 80 by default. Words are left whole, so that
    paths and URLs can be copied.
    """
    room = max((read_columns() or DEFAULT_COLUMNS) - len(start), _MIN_TEXT)
    lines = textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False) or [""]
    return f"\n{'':<{len(start)}}".join([start + lines[0], *lines[1:]])


def read_columns() -> int:
    """Return the environment's COLUMNS; 0 if it is not a number of columns."""
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdecimal() else 0


# --- questions -----------------------------------------------------------------------------------

_BYTE_ORDER_MARK: Final = "\ufeff"


def ask(question: str) -> str:
    """Ask for something that is no secret: on a terminal, else in a line of standard input.

    Raises EOFError if there is no answer.
    """

    def read_with_echo() -> str:
        if sys.stdin.isatty():
            sys.stderr.write(question)
            sys.stderr.flush()
        return _read_input()

    return _read_line(
        read_with_echo
    ).strip()  # which also handles a Ctrl-C right after the question


def ask_secret(question: str) -> str:
    """Ask for a secret: on a terminal without an echo, else in a line of standard input.

    Raises EOFError if there is no answer.
    """
    import getpass

    def read_without_echo() -> str:
        return f"{getpass.getpass(question)}\n"  # with the line break that other lines have

    is_terminal = sys.stdin.isatty()
    secret = _read_line(read_without_echo if is_terminal else _read_input).rstrip("\r\n")
    if not secret:
        raise EOFError
    return secret


_begun: Final[WeakSet[Any]] = WeakSet()  # the inputs of which something was read already


def _read_input() -> str:
    """Return the next line of standard input, without a byte order mark; "" at its end.

    What is piped in may be in another encoding than the locale's: PowerShell writes UTF-16, and
    UTF-8 with a mark.
    """
    if sys.stdin not in _begun and not sys.stdin.isatty():
        _choose_encoding()
    _begun.add(sys.stdin)
    return sys.stdin.readline().removeprefix(_BYTE_ORDER_MARK)


def _choose_encoding() -> None:
    """Let standard input be decoded as its first bytes show."""
    from requests_jwt_refresh.cli.encoding import MAX_MARK, find_encoding

    if not isinstance(sys.stdin, io.TextIOWrapper):
        return
    buffer: Any = sys.stdin.buffer
    if isinstance(buffer, io.BytesIO):
        start = buffer.getvalue()[buffer.tell() :]
    elif isinstance(buffer, io.BufferedReader):
        start = buffer.peek(MAX_MARK)
    else:
        return
    encoding = find_encoding(start[:MAX_MARK])
    if encoding is not None:
        sys.stdin.reconfigure(encoding=encoding)


def _read_line(read: Callable[[], str]) -> str:
    """Return the line that `read` reads. Raises EOFError if there is none."""
    line = ""
    try:
        line = read()
        line.encode()  # bytes that are no text may have been read as surrogates (PEP 383)
    except UnicodeError:
        line = ""
    else:
        if not line:
            raise EOFError
        return line
    finally:
        # After Ctrl-C, Ctrl-D or no text: the next message begins on a line of its own.
        if not line and sys.stdin.isatty() and sys.stderr.isatty():
            sys.stderr.write("\n")
            sys.stderr.flush()
    raise UsageError("the input is not UTF-8 text", "convert it: iconv -f latin1 -t utf-8")
