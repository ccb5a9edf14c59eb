"""What was measured, as values; how it is printed, and written as JSON for other programs."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDTH: Final = 100
_LABEL_WIDTH: Final = 26
_CELL_WIDTH: Final = 12
_MISSING: Final = "-"


@dataclass(frozen=True)
class Figure:
    """A number and its unit. A unit that begins with "+" shows the number with its sign."""

    value: float
    unit: str = ""

    def __str__(self) -> str:
        unit = self.unit.removeprefix("+")
        sign = "+" if unit != self.unit else ""
        return f"{self.value:{sign}.{_find_decimals(self.value, unit)}f} {unit}".rstrip()


def _find_decimals(value: float, unit: str) -> int:
    if unit == "x":
        return 2
    if float(value).is_integer() and unit in ("", "MiB"):
        return 0
    return 1 if abs(value) < 1000 else 0


@dataclass(frozen=True)
class Goal:
    """What one row is to reach, and whether it has."""

    text: str
    is_reached: bool

    def __str__(self) -> str:
        return f"goal: {self.text}: {'reached' if self.is_reached else 'NOT REACHED'}"


def at_most(figure: Figure, limit: float, what: str = "ours") -> Goal:
    """Return the goal that `figure` is not above `limit`, in the same unit."""
    return Goal(f"{what} at most {Figure(limit, figure.unit)}", figure.value <= limit)


@dataclass(frozen=True)
class Row:
    """One line: a figure in each column, None where one cannot do that."""

    what: str
    figures: Mapping[str, Figure | None]
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True)
class Table:
    """What one subject has found. A column without any figure is not shown."""

    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row.figures))


def render(table: Table) -> Iterator[str]:
    """Yield the lines of a table, none of them wider than WIDTH."""
    yield from textwrap.wrap(table.title, WIDTH)
    columns = table.columns
    room = max([_LABEL_WIDTH, *(len(row.what) + 2 for row in table.rows)])
    width = min(_CELL_WIDTH, (WIDTH - room) // max(len(columns), 1))
    yield from _render_header(columns, room, width)
    for row in table.rows:
        cells = (_render_cell(row.figures.get(name)) for name in columns)
        yield f"{row.what:<{room}}" + "".join(f"{cell:>{width}}" for cell in cells)
        for goal in row.goals:
            yield f"    {goal}"
    for note in table.notes:
        yield from textwrap.wrap(note, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _render_header(columns: list[str], room: int, width: int) -> Iterator[str]:
    """Yield the names of the columns, on two lines where one of them is too long."""
    split = [_split_name(name, width - 1) for name in columns]
    if any(first for first, _second in split):
        yield (" " * room + "".join(f"{first:>{width}}" for first, _ in split)).rstrip()
    yield " " * room + "".join(f"{second:>{width}}" for _, second in split)


def _split_name(name: str, width: int) -> tuple[str, str]:
    """Return a name in two parts, the first of them empty if it fits."""
    at = max(name.rfind("-"), name.rfind(" ")) + 1
    return (name[:at].strip(), name[at:]) if len(name) > width and at else ("", name)


def _render_cell(figure: Figure | None) -> str:
    return _MISSING if figure is None else str(figure)


def to_json(table: Table) -> dict[str, Any]:
    """Return a table as JSON values: the figures as they were measured, unrounded."""
    return {
        "title": table.title,
        "columns": table.columns,
        "rows": [
            {
                "what": row.what,
                "figures": {
                    name: None if each is None else {"value": each.value, "unit": each.unit}
                    for name, each in row.figures.items()
                },
                "goals": [{"text": goal.text, "reached": goal.is_reached} for goal in row.goals],
            }
            for row in table.rows
        ],
        "notes": table.notes,
    }
