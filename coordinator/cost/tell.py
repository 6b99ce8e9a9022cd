"""What is said of costs."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from coordinator.cost.usage import Cost
from mycelium.progress import format_seconds
from mycelium.schema import Row

if TYPE_CHECKING:  # estimates are for those who ask
    from coordinator.cost.estimate import Expected, Range

WORDS = {
    "gb_s": "functions' time",
    "lambda_requests": "calls",
    "s3_gets": "GET",
    "s3_puts": "PUT and LIST",
    "transitions": "transitions",
}
"""What people read for each kind."""


def format_usd(usd: float) -> str:
    """Return an amount to three digits that mean something, and no cent that is not there: ``$0.0286``, ``$12.30``."""
    if usd >= 1 or usd <= 0:
        return f"${usd:,.2f}"
    digits = 2 - math.floor(math.log10(usd))
    return f"${usd:.{digits}f}".rstrip("0")


def tell_cost(cost: Cost) -> None:
    """Say what a run cost, by kind; nothing, of one that was billed nothing."""
    kinds = [f"{WORDS[name]} {format_usd(usd)}" for name, usd in cost.by_kind.items() if usd]
    if not kinds:
        return
    click.echo(f"cost: {format_usd(cost.usd)} ({', '.join(kinds)}), at the prices of {cost.prices.of}")
    for what in cost.unknown:
        click.echo(f"cost: without {what}")


def list_expected(expected: "Sequence[Expected]") -> list[Row]:
    """Return what each executor will take, as the rows of a table."""
    return [
        {
            "executor": one.executor,
            "time": _format_range(one.wall_s, format_seconds),
            "dollars": "nothing" if one.usd is not None and not one.usd.high else _format_range(one.usd, format_usd),
            "of which": ", ".join(f"{WORDS[name]} {format_usd(usd)}" for name, usd in one.likely.items() if usd),
        }
        for one in expected
    ]


def _format_range(found: "Range | None", form: Callable[[float], str]) -> str:
    if found is None:
        return "?"
    low, likely, high = form(found.low), form(found.likely), form(found.high)
    return likely if low == high else f"{likely} ({low} to {high})"
