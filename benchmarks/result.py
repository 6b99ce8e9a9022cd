"""What a benchmark found, as values: tables of cells, figures that are quoted, the machine, and all of it together."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Cell = str | int | float | tuple[float, ...] | None
"""A text; a number that was taken once, or counted; one for each repetition; nothing, where nothing was measured."""


@dataclass(frozen=True, slots=True)
class Column:
    """What stands in a column: its name, its unit, how its numbers are written, and which of them is the best."""

    name: str
    unit: str = ""
    form: str = ""
    best: Literal["", "least", "most"] = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a label and a cell for each column; `base` names the row that the others' column `by` is divided by."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    name: str = ""
    label: str = ""
    base: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that is quoted: ours, beside a peer's where there is one, and what it is to be."""

    name: str
    what: str
    ours: Cell
    unit: str = ""
    peer: str = ""
    theirs: Cell = None
    at_most: float | None = None
    at_least: float | None = None
    form: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether it is what it is to be; None if nothing was asked."""
        value = middle(self.ours)
        if value is None or (self.at_most is None and self.at_least is None):
            return None
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


@dataclass(frozen=True, slots=True)
class Machine:
    """What it was measured on."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    gpu: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one command found, and how; `by_hand` says where it was copied from, if no command wrote it."""

    claim: str
    title: str
    command: str
    date: str
    commit: str
    machine: Machine
    load: tuple[float, ...]
    took_s: float
    packages: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...] = ()
    by_hand: str = ""


def middle(cell: Cell) -> float | None:
    """Return the number of a cell: the median of its repetitions."""
    if isinstance(cell, tuple):
        return statistics.median(cell) if cell else None
    return float(cell) if isinstance(cell, int | float) else None


def spread(cells: Sequence[Cell]) -> float | None:
    """Return half the range of repetitions over their median, the greatest of several cells'."""
    found = [
        (max(cell) - min(cell)) / 2 / abs(statistics.median(cell))
        for cell in cells
        if isinstance(cell, tuple) and len(cell) > 1 and statistics.median(cell)
    ]
    return max(found, default=None)
