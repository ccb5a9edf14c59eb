"""Exit statuses, and how an error becomes one and two lines on stderr."""

from __future__ import annotations

import re
import sys
from enum import IntEnum
from typing import Final

from requests_jwt_refresh.errors import (
    InvalidToken,
    JWTRefreshError,
    ProfileError,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)


class Exit(IntEnum):
    """The exit statuses of every command but `run`, whose status is the program's own."""

    DONE = 0
    FAULT = 1  # it did not work, for another reason than those below
    USAGE = 2  # the arguments, or the profile, make no sense
    LOG_IN = 3  # there is no token, or the server refused it
    TRY_LATER = 4  # the server could not be asked, the tokens are kept
    STORE = 5  # the keyring, file or Redis cannot be read or written
    INTERRUPTED = 128 + 2  # as a shell reports SIGINT
    NOBODY_READS = 128 + 13  # as a shell reports SIGPIPE


# Where a text goes from what happened to what helps. A path may have ". " in it, too.
_REMEDY: Final = re.compile(r"\. (?=[A-Z`][\w'`-]*[ ,:])")
_FOR_PROGRAMMERS: Final = "use FileStore or MemoryStore instead"


class Complaint(Exception):
    """What is wrong with the arguments, the answers or the input, and what helps."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause, self.remedy = cause, remedy


def complain(cause: str, remedy: str) -> None:
    """Write one line of cause and one of remedy on stderr."""
    if sys.stderr is None:  # closed by whoever has started us
        return
    sys.stderr.write(f"requests-jwt: {cause}\nrequests-jwt: {remedy}\n")


def explain(error: JWTRefreshError, name: str | None) -> Exit:
    """Write what went wrong and what helps; return the exit status that says the same."""
    status, otherwise = _kind(error, name or "NAME")
    cause, rest = cause_and_remedy(str(error))
    known = rest and rest.rstrip(".") != "The tokens are kept"
    complain(cause, _lowered(rest) if known else otherwise)
    return status


def cause_and_remedy(text: str) -> tuple[str, str]:
    """Return what happened, and what helps if the text says so; in words for the command line."""
    text = text.replace(_FOR_PROGRAMMERS, "keep the token in a file: kind = 'file' in [NAME.store]")
    found = _REMEDY.search(text)
    return (text, "") if found is None else (text[: found.start()], text[found.end() :])


def _kind(error: JWTRefreshError, name: str) -> tuple[Exit, str]:
    if isinstance(error, ProfileError):
        return Exit.USAGE, "to see all profiles: requests-jwt profiles; to mend one, edit that file"
    if isinstance(error, InvalidToken):
        return Exit.USAGE, "give the token alone, on a line of its own"
    if isinstance(error, RefreshRejected):
        return Exit.LOG_IN, f"log in, or try again, with: requests-jwt login {name}"
    if isinstance(error, RefreshUnavailable):
        return Exit.TRY_LATER, (
            f"the tokens are kept; try again later, or look closer: requests-jwt doctor {name}"
        )
    if isinstance(error, StoreError):
        return Exit.STORE, f"nothing was changed; to look closer: requests-jwt doctor {name}"
    return Exit.FAULT, f"to look closer: requests-jwt doctor {name}"


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
