"""Telling the encoding of a text from its first bytes: what Windows writes is not always UTF-8."""

from __future__ import annotations

import codecs
from typing import Final

MAX_MARK: Final = 4  # bytes
_MARKS: Final = (  # the longer ones first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def find_encoding(start: bytes) -> str | None:
    r"""Return the encoding that the first four bytes show, None if they show none.

    By a byte order mark, which the encoding returned removes; or by a zero byte, which no text has
    in UTF-8: PowerShell can write UTF-16 without a mark.

    >>> find_encoding(b"\xff\xfep\x00"), find_encoding(b"p\x00w\x00"), find_encoding(b"pw")
    ('utf-16', 'utf-16-le', None)
    """
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    zeros = [not each for each in start[:2]]
    if zeros == [False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False] else None
