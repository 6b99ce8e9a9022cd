"""What is said of costs."""

import click

from coordinator.cost.usage import Cost

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
    if usd >= 1 or usd == 0:
        return f"${usd:,.2f}"
    text = f"{usd:.3g}"
    return f"${usd:.9f}".rstrip("0") if "e" in text else f"${text}"


def tell_cost(cost: Cost) -> None:
    """Say what a run cost, by kind; nothing, of one that was billed nothing."""
    kinds = [f"{WORDS[name]} {format_usd(usd)}" for name, usd in cost.by_kind.items() if usd]
    if not kinds:
        return
    click.echo(f"cost: {format_usd(cost.usd)} ({', '.join(kinds)}), at the prices of {cost.prices.of}")
    for what in cost.unknown:
        click.echo(f"cost: without {what}")
