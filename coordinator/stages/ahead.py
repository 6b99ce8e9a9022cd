"""What is to be known of a run before it starts: what `--dry-run`, `--probe` and `--max-cost` ask for."""

from typing import Any

import click

from coordinator.cost.planned import Ahead, Ask, Places, look_ahead
from coordinator.cost.prices import read_prices
from coordinator.executors.aws_lambda import MAX_CONCURRENCY
from coordinator.executors.local import count_cores
from mycelium.plan import Plan
from mycelium.store import Store


def find_ahead(plan: Plan, target: Store, values: dict[str, Any]) -> Ahead:
    """Return what is to be known of a run before it starts; an estimate only where it is asked for.

    Args:
        plan: what is to be done.
        target: where its outputs go.
        values: the options of `run-stage`, or of a command that has fewer of them.
    """
    prices = read_prices()
    only_plan, n_probed, max_cost = bool(values.get("dry_run")), values.get("probe") or 0, values["max_cost"]
    if not only_plan and max_cost is None and not n_probed:
        return Ahead(plan, (), None, prices)
    places = Places(values["max_workers"] or count_cores(), values["max_concurrency"] or MAX_CONCURRENCY, prices)
    ask = Ask(
        executor=values["executor"],
        probe=n_probed,
        max_cost=max_cost,
        only_plan=only_plan,
        tell=lambda line: click.echo(line, err=True),
    )
    return look_ahead(plan, target, ask, places)
