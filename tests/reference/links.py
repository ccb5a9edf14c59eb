"""Links within a folder of HTML pages."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(str(found["id"]))
        if tag == "a" and found.get("href"):
            self.links.add(str(found["href"]))


def read_pages(folder: Path) -> dict[Path, Page]:
    """Return each HTML page below `folder`, by its absolute path."""
    return {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(folder.resolve().rglob("*.html"))
    }


def find_broken_links(folder: Path) -> list[str]:
    """Return each link to a page or a place within `folder` that is not there."""
    pages = read_pages(folder)
    return [
        f"{path.relative_to(folder.resolve())} -> {link}"
        for path, page in pages.items()
        for link in sorted(page.links)
        if not urlsplit(link).netloc and not _is_there(link, path, pages)
    ]


def _is_there(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    target = (path.parent / parts.path).resolve() if parts.path else path
    if target not in pages:
        return False
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors
