"""How commands print: JSON for machines; for people aligned columns, and never more than a screenful of one thing."""

from collections.abc import Sequence

import click
import msgspec

from mycelium.printable import make_printable
from mycelium.schema import Row

MAX_NAMED = 20
"""Lines of one kind that are printed one by one; of more, the number."""


def say_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=1).decode())


def name_some(lines: Sequence[str], what: str) -> None:
    """Say the first lines on standard error, and how many more there are: never more than a screenful."""
    for line in lines[:MAX_NAMED]:
        click.echo(make_printable(line), err=True)
    if len(lines) > MAX_NAMED:
        click.echo(f"… and {len(lines) - MAX_NAMED} other {what}", err=True)


def format_table(rows: Sequence[Row]) -> str:
    """Return rows as aligned columns, numbers to the right."""
    if not rows:
        return "(none)"
    names = list(rows[0])
    cells = [[_format_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    is_number = [all(not isinstance(row[name], str) for row in rows) for name in names]

    def line(values: Sequence[str]) -> str:
        aligned = (
            value.rjust(width) if number else value.ljust(width)
            for value, width, number in zip(values, widths, is_number, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(names), *(line(row) for row in cells)])


def _format_cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
    return make_printable(str(value))
