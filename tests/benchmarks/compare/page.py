"""How a comparison is shown: on a terminal, and as Markdown."""

from __future__ import annotations

import itertools
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
    Verdict.PARTLY: "⚠️ ",
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
    """Return a table with a line for each client, and a column for each row that is named.

    For all rows if none are named.
    """
    rows = [row for row in comparison.rows if not names or row.name in names]
    lines = [_join(["", *(row.short for row in rows)]), _join(["---"] * (len(rows) + 1))]
    lines += [_to_line(client, rows) for client in comparison.clients]
    return "\n".join(lines) + "\n"


def find_differences(text: str, comparison: Comparison) -> list[str]:
    """Return the lines in a text's tables of a comparison that are not those of this one."""
    lines = text.splitlines()
    return [
        difference
        for number, line in enumerate(lines)
        for difference in _find_in_table(line, lines[number + 2 :], comparison)
    ]


def _find_in_table(header: str, lines: Sequence[str], comparison: Comparison) -> Iterator[str]:
    """Yield the lines that differ, if this is the header of a table of a comparison."""
    rows_by_short = {row.short: row for row in comparison.rows}
    shorts = header.strip("| ").split(" | ")
    rows = [rows_by_short[short] for short in shorts if short in rows_by_short]
    if not rows:
        return
    if len(rows) < len(shorts):
        yield header
        return
    table = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    for line, client in itertools.zip_longest(table, comparison.clients):
        expected = "" if client is None else _to_line(client, rows)
        if line != expected:
            yield line or expected


def _to_line(client: str, rows: Sequence[Row]) -> str:
    return _join([get_label(client), *(_to_markdown(row.cells[client]) for row in rows)])


def _join(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _to_markdown(cell: Cell) -> str:
    return f"{_SIGNS[cell.verdict]}{cell.words}"
