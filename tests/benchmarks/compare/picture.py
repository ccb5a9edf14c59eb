"""The picture of a comparison: SVG, one for light pages and one for dark ones.

Both are the same but for the colours, which stand in one place; what a colour says, a shape and a
word say, too. The same comparison makes the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from tests.benchmarks.clients import OURS
from tests.benchmarks.compare.page import get_label
from tests.benchmarks.compare.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.benchmarks.compare.results import Cell, Comparison, Row

WIDTH: Final = 810  # pixels; a column of text at GitHub has 830
FONT: Final = "system-ui, -apple-system, 'Segoe UI', sans-serif"
CROWD: Final = "crowd"
COLUMNS: Final = {
    "processes-in-turn": ("two processes,", "one login"),
    "upload-file": ("file upload", "through a 401"),
    "link": ("URL of", "another host"),
    "outage-hanging": ("token server", "hangs"),
}
NEEDED: Final = (CROWD, *COLUMNS)
_TITLE: Final = "What becomes of a login: {count} ways to keep a token fresh"
_THEMES: Final = {
    "light": {
        "text": "#1f2328",
        "muted": "#59636e",
        "line": "#d1d9e0",
        "good": "#1a7f37",
        "partly": "#9a6700",
        "bad": "#cf222e",
    },
    "dark": {
        "text": "#f0f6fc",
        "muted": "#9198a1",
        "line": "#3d444d",
        "good": "#3fb950",
        "partly": "#d29922",
        "bad": "#f85149",
    },
}
_CLASSES: Final = {
    Verdict.GOOD: "good",
    Verdict.PARTLY: "partly",
    Verdict.BAD: "bad",
    Verdict.CANNOT: "muted",
    Verdict.FIGURE: "muted",
}
_SHAPES: Final = {
    Verdict.GOOD: "M-6,0 L-2,5 L6,-5",
    Verdict.PARTLY: "M-6,2 Q-3,-4 0,0 T6,-2",
    Verdict.BAD: "M-5,-5 L5,5 M5,-5 L-5,5",
    Verdict.CANNOT: "M-5,0 L5,0",
    Verdict.FIGURE: "M0,0",
}
_HEADER: Final = 62  # pixels, as all that follow
_ROW: Final = 48
_MARGIN: Final = 8
_BAR_LEFT: Final = 162
_BAR_WIDTH: Final = 70
_BAR_HEIGHT: Final = 20
_COLUMNS_LEFT: Final = 344
_COLUMN: Final = (WIDTH - _COLUMNS_LEFT) / len(COLUMNS)


@dataclass(frozen=True)
class _Pen:
    """Draws into one parent."""

    parent: ET.Element

    def write(self, x: float, y: float, words: str, kind: str, **more: str) -> None:
        text = self._add("text", {"x": f"{x:g}", "y": f"{y:g}", "class": kind, **more})
        text.text = words

    def draw_bar(self, x: float, y: float, width: float, kind: str) -> None:
        place = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{_BAR_HEIGHT}"}
        self._add("rect", {**place, "rx": "3", "class": kind})

    def draw_line(self, y: float) -> None:
        ends = {"x1": f"{_MARGIN}", "x2": f"{WIDTH - _MARGIN}", "y1": f"{y:g}", "y2": f"{y:g}"}
        self._add("line", {**ends, "class": "line"})

    def draw_mark(self, x: float, y: float, verdict: Verdict) -> None:
        place = f"translate({x:g} {y:g})"
        kind = f"mark {_CLASSES[verdict]}"
        self._add("path", {"d": _SHAPES[verdict], "transform": place, "class": kind})

    def _add(self, tag: str, attributes: Mapping[str, str]) -> ET.Element:
        return ET.SubElement(self.parent, tag, dict(attributes))


def write_pictures(comparison: Comparison, folder: Path) -> list[Path]:
    """Write compare-light.svg and compare-dark.svg; return where they are.

    Raises ValueError if the comparison lacks a row that the picture shows.
    """
    written = []
    for theme in _THEMES:
        path = folder / f"compare-{theme}.svg"
        path.write_text(draw(comparison, theme), encoding="utf-8")
        written.append(path)
    return written


def draw(comparison: Comparison, theme: str) -> str:
    """Return the picture as SVG. Raises ValueError as write_pictures() does."""
    rows = {name: _get_row(comparison, name) for name in NEEDED}
    height = _HEADER + _ROW * len(comparison.clients) + _MARGIN
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "width": f"{WIDTH}",
            "height": f"{height}",
            "role": "img",
            "aria-labelledby": "title description",
        },
    )
    title = _TITLE.format(count=len(comparison.clients))
    ET.SubElement(svg, "title", {"id": "title"}).text = title
    ET.SubElement(svg, "desc", {"id": "description"}).text = describe(comparison)
    ET.SubElement(svg, "style").text = _make_style(theme)
    pen = _Pen(svg)
    _draw_header(pen, rows[CROWD])
    for number, name in enumerate(comparison.clients):
        _draw_client(pen, _HEADER + number * _ROW, name, rows)
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def describe(comparison: Comparison) -> str:
    """Return in words what the picture shows."""
    rows = [_get_row(comparison, name) for name in NEEDED]
    return " ".join(
        f"{get_label(name)}: "
        + "; ".join(f"{row.short}: {row.cells[name].words}" for row in rows)
        + "."
        for name in comparison.clients
    )


def _get_row(comparison: Comparison, name: str) -> Row:
    row = comparison.find_row(name)
    if row is None:
        raise ValueError(f"the picture shows {name}, which this comparison lacks")
    return row


def _make_style(theme: str) -> str:
    colors = _THEMES[theme]
    rules = [
        f"text {{ font: 16px {FONT}; fill: {colors['text']} }}",
        ".strong { font-weight: 600 }",
        f".small {{ font-size: 14px; fill: {colors['muted']} }}",
        f".line {{ stroke: {colors['line']} }}",
        ".mark { fill: none; stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round }",
    ]
    for name in ("good", "partly", "bad", "muted"):
        rules += [
            f"rect.{name} {{ fill: {colors[name]} }}",
            f"path.{name} {{ stroke: {colors[name]} }}",
        ]
    return "\n" + "\n".join(rules) + "\n"


def _draw_header(pen: _Pen, crowd: Row) -> None:
    threads = next(iter(crowd.cells.values())).facts["threads"]
    pen.write(_BAR_LEFT, 24, f"{threads} threads meet", "small")
    pen.write(_BAR_LEFT, 44, "one expired token", "small")
    for number, lines in enumerate(COLUMNS.values()):
        for line, words in enumerate(lines):
            pen.write(_find_column(number), 24 + 20 * line, words, "small")


def _find_column(number: int) -> float:
    return _COLUMNS_LEFT + number * _COLUMN


def _draw_client(pen: _Pen, top: float, name: str, rows: Mapping[str, Row]) -> None:
    middle = top + _ROW / 2
    pen.draw_line(top)
    pen.write(_MARGIN, middle + 6, get_label(name), "strong" if name == OURS else "name")
    _draw_crowd(pen, middle, rows[CROWD].cells[name])
    for number, column in enumerate(COLUMNS):
        cell = rows[column].cells[name]
        x = _find_column(number)
        pen.draw_mark(x + 7, middle, cell.verdict)
        pen.write(x + 20, middle + 6, _shorten(column, cell), "word")


def _draw_crowd(pen: _Pen, middle: float, cell: Cell) -> None:
    threads, answered = _get_number(cell, "threads"), _get_number(cell, "answered")
    width = max(_BAR_WIDTH * answered / threads, 3)
    pen.draw_bar(_BAR_LEFT, middle - _BAR_HEIGHT / 2, width, _CLASSES[cell.verdict])
    first, _, second = cell.words.partition(", ")
    x = _BAR_LEFT + width + 8
    pen.write(x, middle + (-3 if second else 6), first, "strong")
    if second:
        pen.write(x, middle + 16, second, "small")


def _get_number(cell: Cell, name: str) -> int:
    number = cell.facts[name]
    assert isinstance(number, int)
    return number


def _shorten(column: str, cell: Cell) -> str:
    """Return the one or two words there is room for."""
    facts = cell.facts
    if column == "processes-in-turn":
        return "logged out" if cell.verdict is Verdict.BAD else "works"
    if column == "upload-file":
        return {Verdict.GOOD: "whole", Verdict.BAD: "empty"}.get(cell.verdict, "401")
    if column == "link":
        return "token sent" if facts["with_token"] else "no token"
    seconds = f"{facts['seconds']:.0f} s"
    return f"error, {seconds}" if facts["has_ended"] else f"over {seconds}"
