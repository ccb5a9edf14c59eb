"""The Python blocks of a page of .github/guide, run one after the other as a reader pastes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from requests_jwt_refresh.testing import AuthServer

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

GUIDE = Path(__file__).parents[2] / ".github" / "guide"
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


class Page:
    """A page in Markdown; its sections are those of the second level.

    What the programs on it bind stays in `names`. At the end of the ``with`` block the servers and
    sessions among it are closed.
    """

    def __init__(self, name: str) -> None:
        self.path = GUIDE / name
        self.text = self.path.read_text(encoding="utf-8")
        self.names: dict[str, Any] = {"__name__": "__main__"}
        _top, *parts = _HEADING.split(self.text)
        self.sections = dict(zip(parts[::2], parts[1::2], strict=True))

    def blocks(self, section: str, language: str = "python") -> list[str]:
        """Return the blocks of one section that are written in one language."""
        found = _BLOCK.findall(self.sections[section])
        return [text for each, text in found if each == language]

    def block(self, section: str, start: str, language: str = "python") -> str:
        """Return the one block of a section that begins so."""
        (found,) = (each for each in self.blocks(section, language) if each.startswith(start))
        return found

    def run(self, block: str) -> dict[str, Any]:
        """Run a block after those that were run before it; return all names."""
        exec(compile(block, str(self.path), "exec"), self.names)
        return self.names

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for value in self.names.values():
            if isinstance(value, (AuthServer, requests.Session)):
                value.close()


def check_links(page: Page) -> None:
    """Assert that each link to this page or another one leads to something."""
    for target in re.findall(r"\]\(([^)]+)\)", page.text):
        path, _, anchor = target.partition("#")
        file = page.path.parent / path if path else page.path
        assert file.is_file(), target
        assert not anchor or anchor in _list_anchors(file.read_text(encoding="utf-8")), target


def _list_anchors(text: str) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
