"""What `run-pipeline` prints."""

import click

from coordinator.cost.headline import measure_run
from coordinator.cost.prices import read_prices
from coordinator.cost.tell import format_usd
from coordinator.options import name_store
from coordinator.pipeline.conduct import Conducted
from coordinator.pipeline.pipeline import Planned
from coordinator.printing import format_table, say_json
from mycelium.hint import say_command
from mycelium.manifest import Manifest
from mycelium.progress import format_seconds
from mycelium.schema import Row


def tell_pipeline_plan(planned: Planned, *, as_json: bool) -> None:
    """Say what a pipeline would run, what it reads, and what that takes."""
    rows: list[Row] = [
        {
            "stage": expected.step.stage.name,
            "reads": ", ".join(expected.reads),
            "chunks": expected.n_chunks,
            "there already": expected.n_found,
            "seconds": expected.wall_s,
            "lambda_usd": expected.usd,
        }
        for expected in planned.expected
    ]
    prices_of = read_prices().of
    if as_json:
        say_json({"starts_from": planned.given.runs(), "stages": rows, "prices_of": prices_of})
        return
    problems = planned.given.problems
    n_problems = sum(outcome.n_problems for outcome in problems.outcomes)
    click.echo(f"from problems/{problems.run_id}: {n_problems} problems in {problems.n_chunks} chunks")
    for row, expected in zip(rows, planned.expected, strict=True):
        row["seconds"] = "?" if expected.wall_s is None else format_seconds(expected.wall_s)
        row["lambda_usd"] = "?" if expected.usd is None else f"{expected.usd:.4f}"
    click.echo(format_table(rows))
    if any(expected.wall_s is None for expected in planned.expected):
        click.echo("?: never ran in this store; after the first run, or one with --limit, it is known")
    click.echo(f"time: on this machine; lambda_usd: if run there, at the prices of {prices_of}")
    known = [expected.usd for expected in planned.expected if expected.usd is not None]
    if known:
        of = "" if len(known) == len(planned.expected) else f" of the {len(known)} stages that are known"
        click.echo(f"all stages together, if run there: {format_usd(sum(known))}{of}")


def _list_headline(manifest: Manifest) -> Row:
    took = measure_run(manifest, read_prices())
    return {"task_s": took.task_s, "wall_s": took.wall_s, "usd": took.usd, "bytes_read": took.bytes_read}


def tell_pipeline(planned: Planned, conducted: Conducted, *, as_json: bool) -> None:
    """Say what became of each stage."""
    rows: list[Row] = []
    for step in planned.way:
        manifest = conducted.manifests.get(step.stage.name)
        if manifest is None:
            continue
        statuses = [outcome.status for outcome in manifest.outcomes]
        rows.append(
            {
                "stage": step.stage.name,
                "run": f"{step.stage.writes[-1].name}/{manifest.run_id}",
                "chunks": manifest.n_chunks,
                "failed": len(manifest.failed),
                "rows": sum(outcome.n_output for outcome in manifest.outcomes),
                **_list_headline(manifest),
                "complete": len(statuses) - len(manifest.failed) == manifest.n_chunks,
            }
        )
    if as_json:
        stops = [{"stage": stop.stage, "reason": stop.reason} for stop in conducted.stops]
        say_json({"starts_from": planned.given.runs(), "stages": rows, "not_run": stops})
        return
    click.echo(format_table(rows))
    for step in planned.way:
        manifest = conducted.manifests.get(step.stage.name)
        if manifest is not None and "stopped" in manifest.notes:
            click.echo(f"{step.stage.name}: stopped: {manifest.notes['stopped']}", err=True)
        if manifest is not None and manifest.failed:
            status = say_command(f"coordinator status {manifest.run_id}{name_store(planned.store.uri)}")
            click.echo(f"{step.stage.name}: `{status}` names its failed chunks", err=True)
    for stop in conducted.stops:
        click.echo(f"not run: {stop.stage}, since {stop.reason}", err=True)
    if conducted.stops or any(not manifest.complete for manifest in conducted.manifests.values()):
        click.echo("the same command runs what is missing again", err=True)
