"""Rows as a notebook wants them: they show themselves, and become a table of whichever library is there."""

import html
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mycelium.errors import MissingPackageError
from mycelium.schema import Row

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

SHOWN = 10
"""Rows that a frame shows of itself."""

WIDTH = 40
"""Characters that it shows of one value."""


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """Rows with named columns.

    Attributes:
        table: them, as Arrow.
    """

    table: pa.Table

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.table.num_rows)

    def rows(self) -> list[Row]:
        """Return the rows, each a mapping from column to value."""
        rows: list[Row] = self.table.to_pylist()
        return rows

    def arrow(self) -> pa.Table:
        """Return the rows as an Arrow table, which is what they are: nothing is copied."""
        return self.table

    def pandas(self) -> "pd.DataFrame":
        """Return the rows as a pandas data frame; float16 becomes float32, which holds it exactly.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        import_package("pandas")
        frame: pd.DataFrame = widen(self.table).to_pandas()
        return frame

    def polars(self) -> "pl.DataFrame":
        """Return the rows as a polars data frame; float16 becomes float32, which holds it exactly.

        Raises:
            MissingPackageError: polars is not installed.
        """
        frame: pl.DataFrame = import_package("polars").from_arrow(widen(self.table))
        return frame

    def __repr__(self) -> str:
        """Show the first rows in columns."""
        names, cells = self._show()
        columns = [[name, *(row[i] for row in cells)] for i, name in enumerate(names)]
        widths = [max(map(len, column)) for column in columns]
        lines = [
            "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) for row in (names, *cells)
        ]
        return "\n".join([*(line.rstrip() for line in lines), *self._more()])

    def _repr_html_(self) -> str:
        """Show the first rows as Jupyter does; whatever text they hold stays text."""
        names, cells = self._show()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
        more = "".join(f"<p>{line}</p>" for line in self._more())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"

    def _show(self) -> tuple[list[str], list[list[str]]]:
        rows = self.table.slice(0, SHOWN).to_pylist()
        return self.table.column_names, [[show_value(value) for value in row.values()] for row in rows]

    def _more(self) -> list[str]:
        return [f"… {len(self):,} rows"] if len(self) > SHOWN else []


def show_value(value: object) -> str:
    """Return a value as a person reads it: short, printable, on one line."""
    text = "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = "".join(c if c.isprintable() else " " for c in text[: WIDTH + 1])
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 1] + "…"


def widen(table: pa.Table) -> pa.Table:
    """Return a table with float32 for float16, which few libraries can group, sort or average."""
    fields = [field.with_type(pa.float32()) if pa.types.is_float16(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))


def import_package(name: str) -> Any:  # noqa: ANN401 - a module
    """Import a package that Mycelium can do without.

    Raises:
        MissingPackageError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # it is there, and something of its own is not
            raise
        raise MissingPackageError(f"this needs {name}, which is not installed: pip install {name}") from None
