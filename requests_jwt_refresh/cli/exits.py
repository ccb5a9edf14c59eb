"""Exit statuses, and how an error becomes one and two lines on stderr."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
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
from requests_jwt_refresh.profiles.load import is_name
from requests_jwt_refresh.profiles.schema import printable


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


# How a text goes on with what helps. Nothing else tells that from a path, which may have ". The"
# in it, too, and a space or comma after that.
_OPENINGS: Final = (
    "Allow this program",
    "Answer it",
    "Check its name",
    "Delete it by hand",
    "Does the API",
    "Edit it",
    "Go to a folder",
    "If it was you",
    "Install (?:a real one|and start one|one)",
    "Is (?:Redis or|the keyring's)",
    "It was left",
    "Known here",
    "Log in to",
    "Make (?:a first|it with)",
    "Name (?:a file|another)",
    "Nothing was",
    "Put the secret",
    "Start it",
    "Take null",
    "The keyring (?:is locked|refused)",
    "The (?:token is|tokens are) kept",
    "There is no keyring",
    "Unlock it",
    "Use (?:a folder of|a path of|another keyring)",
    "`requests-jwt",
)
_REMEDY: Final = re.compile(rf"(?:\.|(?<=\?)) (?=(?:{'|'.join(_OPENINGS)})\b)")
# What the library says to programmers, and how it is done in a profile.
_IN_A_PROFILE: Final = {
    "use FileStore or MemoryStore instead": "keep the token in a file: kind = 'file' in [{}.store]",
    "allow_plaintext=True": "allow_plaintext = true in [{}.store]",
}


class Complaint(Exception):
    """What is wrong with the arguments, the answers or the input, and what helps."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause, self.remedy = cause, remedy


def complain(cause: str, remedy: str) -> None:
    """Write one line of cause and one of remedy on stderr."""
    with suppress(OSError):  # who cannot read it still has the exit status
        for line in (cause, remedy):
            sys.stderr.write(f"requests-jwt: {printable(line)}\n")


def explain(error: JWTRefreshError, name: str | None) -> Exit:
    """Write what went wrong and what helps; return the exit status that says the same."""
    status, otherwise = _kind(error, _placeholder(name))
    cause, rest = cause_and_remedy(str(error), name)
    known = rest and rest.rstrip(".") != "The tokens are kept"
    complain(cause, lowered(rest) if known else otherwise)
    return status


def cause_and_remedy(text: str, name: str | None = None) -> tuple[str, str]:
    """Return what happened, and what helps if the text says so; in words for the command line.

    `name` is that of the profile.
    """
    name = _placeholder(name)
    for ours, theirs in _IN_A_PROFILE.items():
        text = text.replace(ours, theirs.format(f'"{name}"' if "." in name else name))
    found = _REMEDY.search(text)
    if found is None:
        return text, ""
    return text[: found.start()], text[found.end() :].replace("init NAME", f"init {name}")


def _placeholder(name: str | None) -> str:
    return name if name is not None and is_name(name) else "NAME"


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


def lowered(sentence: str) -> str:
    """Return a sentence as it stands within another; names and what is to be typed stay."""
    first = sentence.partition(" ")[0]
    is_word = first.isalpha() and first.istitle()
    return sentence[:1].lower() + sentence[1:] if is_word else sentence
