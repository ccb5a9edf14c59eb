"""What a comparison has found, as values, and as JSON for whoever wants to check it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Fact = str | int | float | bool | None


class Verdict(Enum):
    """How well a client has done a task."""

    GOOD = "good"
    PARTLY = "partly"
    BAD = "bad"
    CANNOT = "cannot"
    """It does not do that, and does not say that it does."""
    FIGURE = "figure"
    """A measured number; less is better."""


@dataclass(frozen=True)
class Cell:
    """What became of one client at one task."""

    verdict: Verdict
    words: str
    detail: str = ""
    """What a terminal has room for."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What it is judged by."""


@dataclass(frozen=True)
class Row:
    """One task, and what became of each client at it."""

    name: str
    short: str
    """The question in a few words."""
    question: str
    good: str
    """What a good answer is."""
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Comparison:
    """One run."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    """Of each client, by its name."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def clients(self) -> list[str]:
        return list(self.versions)

    def find_row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        for row in content["rows"]:
            for cell in row["cells"].values():
                cell["verdict"] = cell["verdict"].value
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Comparison:
        """Return the comparison that to_json() was made from.

        Raises KeyError, TypeError or ValueError for anything else.
        """
        rows = [Row(**{**row, "cells": _read_cells(row["cells"])}) for row in content["rows"]]
        return cls(content["machine"], content["versions"], tuple(rows), tuple(content["notes"]))


def _read_cells(cells: Mapping[str, Any]) -> dict[str, Cell]:
    return {
        name: Cell(Verdict(cell["verdict"]), cell["words"], cell["detail"], cell["facts"])
        for name, cell in cells.items()
    }
