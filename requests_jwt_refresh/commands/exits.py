"""Exit statuses, and how an error becomes one and two lines on stderr."""

from __future__ import annotations

import sys
from enum import IntEnum

from requests_jwt_refresh.errors import (
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


def complain(cause: str, remedy: str) -> None:
    """Write one line of cause and one of remedy on stderr."""
    sys.stderr.write(f"requests-jwt: {cause}\nrequests-jwt: {remedy}\n")


def explain(error: JWTRefreshError, name: str | None) -> Exit:
    """Write what went wrong and what helps; return the exit status that says the same."""
    status, otherwise = _kind(error, name or "NAME")
    cause, _, rest = str(error).partition(". ")
    known = rest and rest.rstrip(".") != "The tokens are kept"
    complain(cause, _lowered(rest) if known else otherwise)
    return status


def _kind(error: JWTRefreshError, name: str) -> tuple[Exit, str]:
    if isinstance(error, ProfileError):
        return Exit.USAGE, "to see all profiles: requests-jwt profiles; to mend one, edit that file"
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
