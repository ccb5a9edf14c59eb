"""Terminal blocks in pages, and the sessions that they belong to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BLOCK: Final = re.compile(
    r"(?:^<!-- transcript: (?P<name>[\w-]+) -->\n)?^```(?:text|console)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """What a page shows of a terminal, and the name of the session, if it has one."""

    name: str | None
    text: str


def find_blocks(page: str) -> list[Block]:
    """Return the blocks of a page in which something is typed after a prompt."""
    found = (Block(block["name"], block["text"].rstrip("\n")) for block in _BLOCK.finditer(page))
    return [block for block in found if block.name or re.search(r"^\$ ", block.text, re.MULTILINE)]


def replace_blocks(page: str, sessions: Mapping[str, str]) -> str:
    """Return a page whose blocks show these sessions."""
    return "".join(_replace(page, sessions))


def _replace(page: str, sessions: Mapping[str, str]) -> Iterator[str]:
    end = 0
    for block in _BLOCK.finditer(page):
        if block["name"] in sessions:
            yield page[end : block.start("text")] + sessions[block["name"]] + "\n"
            end = block.end("text")
    yield page[end:]
