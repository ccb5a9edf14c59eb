"""How a comparison is shown: on a terminal, and as Markdown."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from tests.benchmarks.clients import OURS
from tests.benchmarks.compare.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.benchmarks.compare.results import Cell, Comparison, Row

WIDTH: Final = 80
IN_WORDS: Final = {
    Verdict.GOOD: "good",
    Verdict.PARTLY: "partly",
    Verdict.BAD: "BAD",
    Verdict.CANNOT: "cannot",
    Verdict.FIGURE: "",
}
_SIGNS: Final = {
    Verdict.GOOD: "✅ ",
    Verdict.PARTLY: "🟡 ",
    Verdict.BAD: "❌ ",
    Verdict.CANNOT: "⚪ ",
    Verdict.FIGURE: "",
}
_NAME_WIDTH: Final = 22
_VERDICT_WIDTH: Final = 8


def render(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of a comparison, none of them wider than WIDTH."""
    yield from render_versions(comparison.versions)
    for row in comparison.rows:
        yield ""
        yield from render_row(row)
    yield ""
    yield from render_notes(comparison.notes)


def render_versions(versions: Mapping[str, str]) -> list[str]:
    return textwrap.wrap(
        ", ".join(f"{get_label(name)} {each}" for name, each in versions.items()), WIDTH
    )


def render_notes(notes: Sequence[str]) -> Iterator[str]:
    for note in notes:
        yield from textwrap.wrap(note, WIDTH, initial_indent="- ", subsequent_indent="  ")


def render_row(row: Row) -> Iterator[str]:
    """Yield the question, what a good answer is, and a line for each client."""
    yield from textwrap.wrap(row.question, WIDTH)
    yield from textwrap.wrap(f"good: {row.good}", WIDTH, initial_indent="  ")
    for name, cell in row.cells.items():
        yield from _render_cell(name, cell)


def _render_cell(name: str, cell: Cell) -> list[str]:
    words = f"{cell.words} ({cell.detail})" if cell.detail else cell.words
    start = f"  {get_label(name):<{_NAME_WIDTH}}{IN_WORDS[cell.verdict]:<{_VERDICT_WIDTH}}"
    return textwrap.wrap(words, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def get_label(client: str) -> str:
    """Return a client's name, for those who do not know who "ours" is."""
    return "this library" if client == OURS else client


def to_markdown(comparison: Comparison, names: Sequence[str] = ()) -> str:
    """Return a table of these rows, all of them if none are named; a column for each client."""
    rows = [row for row in comparison.rows if not names or row.name in names]
    lines = [
        _join(["", *map(get_label, comparison.clients)]),
        _join(["---"] * (len(comparison.clients) + 1)),
        *(_to_line(row, comparison.clients) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def find_differences(text: str, comparison: Comparison) -> list[str]:
    """Return the lines of a text that are rows of such a table, but not those of this one."""
    lines = {row.short: _to_line(row, comparison.clients) for row in comparison.rows}
    found = {line: line.split(" | ")[0].removeprefix("| ") for line in text.splitlines()}
    return [line for line, short in found.items() if line != lines.get(short, line)]


def _to_line(row: Row, clients: Sequence[str]) -> str:
    return _join([row.short, *(_to_markdown(row.cells[each]) for each in clients)])


def _join(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _to_markdown(cell: Cell) -> str:
    return f"{_SIGNS[cell.verdict]}{cell.words}"
