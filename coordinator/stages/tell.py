"""What `stages` prints, and `run-stage` before it runs anything."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import click

from coordinator.cost.planned import Ahead
from coordinator.cost.tell import list_expected
from coordinator.printing import format_table, name_some, say_json
from mycelium.schema import Row
from mycelium.stage import Stage


def tell_stages(stages: Sequence[Stage[Any]], *, as_json: bool) -> None:
    """List stages."""
    rows: list[Row] = [
        {
            "stage": stage.name,
            "version": stage.version,
            "reads": ", ".join(dataset.name for dataset in stage.reads),
            "writes": ", ".join(dataset.name for dataset in stage.writes),
            "what it does": stage.summary,
        }
        for stage in stages
    ]
    say_json(rows) if as_json else click.echo(format_table(rows))


def tell_plan(ahead: Ahead, *, as_json: bool) -> None:
    """Say what a run would do, and what it would take."""
    plan = ahead.plan
    size = sum(ref.size for task in plan.tasks if not task.found for ref in task.inputs)
    facts: Row = {
        "run": plan.run_id,
        "stage": plan.stage.name,
        "reads": ", ".join(plan.inputs),
        "chunks": plan.n_chunks,
        "there already": plan.n_found,
        "to do": len(plan.tasks) - plan.n_found,
        "bytes to read": size,
        "input lost": len(plan.lost),
    }
    if as_json:
        expected = [dataclasses.asdict(one) for one in ahead.expected]
        say_json(facts | {"expected": expected, "prices_of": ahead.prices.of})
        return
    for name, value in facts.items():
        click.echo(f"{name + ':':<15} {value:,}" if isinstance(value, int) else f"{name + ':':<15} {value}")
    _tell_expected(ahead)
    name_some([f"lost: chunk {outcome.chunk_id}: {outcome.error}" for outcome in plan.lost], "lost chunks")


def _tell_expected(ahead: Ahead) -> None:
    """Say what a run would take on each executor; the same words once."""
    click.echo(f"\n{format_table(list_expected(ahead.expected))}")
    for source in dict.fromkeys(one.source for one in ahead.expected):
        who = ", ".join(one.executor for one in ahead.expected if one.source == source)
        click.echo(f"{who}: {source}")
    if all(one.wall_s is None for one in ahead.expected):
        click.echo(f"?: {ahead.plan.stage.name} never ran in this store; --probe 5 does five chunks and measures them")
    click.echo(f"(from … to …: one time in ten it is below, one time in ten above; prices of {ahead.prices.of})")
