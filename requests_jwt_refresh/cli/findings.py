"""What a check of `requests-jwt doctor` finds."""

from __future__ import annotations

from typing import Final, NamedTuple

OK: Final = "ok"
NOTE: Final = "note"
FAULT: Final = "FAULT"


class Finding(NamedTuple):
    """What one check has found: OK, NOTE or FAULT, of what, and what to do about it."""

    sign: str
    subject: str
    cause: str
    remedy: str = ""


class Target(NamedTuple):
    """One URL that is asked: what it is called in the table, and the profile's key for it."""

    subject: str
    url: str
    key: str
