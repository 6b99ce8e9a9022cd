"""What a page is made of: sections, each a figure with the table behind it, or a table alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Cell = object

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may do for a page: draw it. It needs nothing but itself, whatever stands in a chain of thought."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with names.

    Attributes:
        caption: what they are.
        rows: each a mapping from column to value; all have the same columns.
        is_filtered: whether a field above it filters its rows by any text.
    """

    caption: str
    rows: Sequence[Mapping[str, Cell]]
    is_filtered: bool = False

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.rows[0]) if self.rows else []

    def is_number(self, column: str) -> bool:
        """Whether a column holds numbers and nothing else, so that it is set flush right."""
        return all(row[column] is None or isinstance(row[column], int | float) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page.

    Attributes:
        id: its anchor, and its figure's; a word.
        title: its heading.
        tables: the numbers; behind the figure if there is one, at least one table.
        note: what one should know to read it.
        figure: a Vega-Lite specification; None for tables alone.
        label: what the figure shows, for those who can't see it.
    """

    id: str
    title: str
    tables: tuple[Table, ...]
    note: str = ""
    figure: dict[str, Any] | None = None
    label: str = ""

    def __post_init__(self) -> None:
        """Refuse a figure without numbers or words behind it."""
        if self.figure is not None and not (self.label and any(table.rows for table in self.tables)):
            raise ValueError(f"figure {self.id} needs a label and a table behind it")


def show_cell(value: Cell) -> str:
    """Return a value as a reader wants it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1 else f"{value:,.2f}"
    return str(value)
