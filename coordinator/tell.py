"""What commands print: a few lines for people, or JSON for machines."""

import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from coordinator.cost.actual import actual_cost, describe_cost
from coordinator.cost.prices import read_prices
from coordinator.cost.tell import list_expected, tell_cost
from coordinator.headline import measure_run
from coordinator.inspect import Look
from mycelium.manifest import Manifest
from mycelium.printable import make_printable
from mycelium.progress import format_seconds
from mycelium.schema import Row
from mycelium.settings import read_settings
from mycelium.stage import Stage
from mycelium.store import open_store

if TYPE_CHECKING:  # it would bring in the executors, for every command
    from coordinator.attach import RunLook
    from coordinator.compare import Comparison
    from coordinator.cost.planned import Ahead

MAX_ROWS = 64
"""Rows of a table that are printed for people; JSON has them all."""

IN_THE_CLOUD = ("lambda", "step-functions")
"""The executors whose tasks leave a log."""

MAX_NAMED = 20
"""Failed chunks named one by one; of more, the number."""


def say_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=1).decode())


def tell_ingest(manifest: Manifest, *, as_json: bool) -> None:
    """Say what became of the rows."""
    if as_json:
        say_json(_summary(manifest))
        return
    notes = manifest.notes
    click.echo(
        f"problems/{manifest.run_id}: {notes['problems']} problems of {manifest.provenance.origin} "
        f"in {manifest.n_chunks} chunks, {format_seconds(manifest.wall_s)}"
    )
    click.echo(
        f"{notes['rows']} rows: {notes['duplicates']} duplicates, {notes['rejected']} rejected, "
        f"{notes['without_level']} problems without a level"
    )
    _name_some([f"  rejected {row['rows']}: {row['reason']}" for row in manifest.result["rejects"]], "reasons")
    if manifest.result["rejects"]:
        click.echo(f"  which and why: rejects/{manifest.run_id}/", err=True)


def tell_plan(ahead: "Ahead", *, as_json: bool) -> None:
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
    _name_some([f"lost: chunk {outcome.chunk_id}: {outcome.error}" for outcome in plan.lost], "lost chunks")


def _tell_expected(ahead: "Ahead") -> None:
    """Say what a run would take on each executor; the same words once."""
    click.echo(f"\n{format_table(list_expected(ahead.expected))}")
    for source in dict.fromkeys(one.source for one in ahead.expected):
        who = ", ".join(one.executor for one in ahead.expected if one.source == source)
        click.echo(f"{who}: {source}")
    if all(one.wall_s is None for one in ahead.expected):
        click.echo(f"?: {ahead.plan.stage.name} never ran in this store; --probe 5 does five chunks and measures them")
    click.echo(f"(from … to …: one time in ten it is below, one time in ten above; prices of {ahead.prices.of})")


def tell_run(manifest: Manifest, *, as_json: bool, silent: bool = False, store: str | None = None) -> None:
    """Say how a run stands and what came out.

    Args:
        manifest: the run's.
        as_json: say it as one JSON document.
        silent: say its failures alone, for standard output is another's.
        store: the URI of where it is, for the commands that are named.
    """
    if silent:
        _tell_failures(manifest, store)
        return
    if as_json:
        say_json(_summary(manifest))
        return
    done = Counter(outcome.status for outcome in manifest.outcomes)
    state = "complete" if manifest.complete else "not complete"
    click.echo(
        f"{manifest.stage} {manifest.run_id}: {state}, {done['done'] + done['found']} of {manifest.n_chunks} chunks "
        f"({done['found']} there before), {done['failed']} failed; {measure_run(manifest, read_prices()).describe()}"
    )
    costs = _sum_costs(manifest)
    if costs["billed_ms"]:
        click.echo(
            f"{costs['invocations']} invocations ({costs['retries']} retries), {costs['cold_starts']} cold starts, "
            f"{costs['billed_ms'] / 1000:.1f} s billed, {costs['memory_mb']} MB used at most"
        )
    if "backups_started" in manifest.notes:
        click.echo(
            f"{manifest.notes['backups_started']} backups of what took long, {manifest.notes['backups_won']} of them "
            "answered first; what they overtook is billed to its end, and counted here as far as it had come"
        )
    tell_cost(actual_cost(manifest, read_prices()))
    for name, rows in manifest.result.items():
        click.echo(f"\n{name.replace('_', ' ')}")
        click.echo(format_table(rows[:MAX_ROWS]))
        if len(rows) > MAX_ROWS:
            click.echo(f"… and {len(rows) - MAX_ROWS} more, with --json")
    _tell_failures(manifest, store)


def _tell_failures(manifest: Manifest, store: str | None) -> None:
    at = _store_option(store)
    failed = manifest.failed
    kinds = Counter(outcome.error_kind for outcome in failed)
    for kind, count in kinds.most_common():
        one = next(outcome.chunk_id for outcome in failed if outcome.error_kind == kind)
        again = f"python -m coordinator run-task {manifest.stage} {one} --run {manifest.run_id}{at} --pdb"
        click.echo(f"{count} failed by {kind}; see one: `{again}`", err=True)
    _name_some([f"failed: chunk {outcome.chunk_id}: {outcome.error}" for outcome in failed], "failed chunks")
    if "stopped" in manifest.notes:
        click.echo(f"the run gave up: {manifest.notes['stopped']}", err=True)
    if failed and manifest.trace_id and manifest.executor in IN_THE_CLOUD:
        click.echo(
            f"trace {manifest.trace_id}; what the functions logged: `python -m coordinator logs {manifest.run_id}`",
            err=True,
        )
    if failed:
        click.echo(f"`python -m coordinator retry {manifest.run_id}{at}` runs what is missing again", err=True)


def _store_option(uri: str | None) -> str:
    """Return the option that names a store; nothing for the one that is opened without it."""
    usual = read_settings().store
    usual = usual.rstrip("/") if usual.startswith("s3://") else open_store(usual).uri
    return "" if uri is None or uri == usual else f" --store {shlex.quote(uri)}"


def _name_some(lines: Sequence[str], what: str) -> None:
    """Say the first lines, and how many more there are: never more than a screenful."""
    for line in lines[:MAX_NAMED]:
        click.echo(make_printable(line), err=True)
    if len(lines) > MAX_NAMED:
        click.echo(f"… and {len(lines) - MAX_NAMED} other {what}", err=True)


def tell_cut_off(run: str, n_written: int, *, as_json: bool) -> None:
    """Say that a run has chunks and no manifest."""
    if as_json:
        say_json({"run": run, "state": "cut off", "chunks": n_written})
    else:
        click.echo(
            f"{run}: cut off, {n_written} chunks written and no manifest; the same command carries on from there"
        )


def tell_under_way(look: "RunLook", *, as_json: bool) -> None:
    """Say how far a state machine is with a run."""
    if as_json:
        say_json(look)
        return
    name = look.execution.rpartition(":")[2]
    click.echo(f"{look.run_id}: execution {name} is {look.state}, {look.n_written} chunks written of the run's")
    click.echo(f"`python -m coordinator attach {look.run_id}` follows it to its end and writes the manifest")


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


def tell_runs(runs: Sequence[tuple[str, Manifest]], *, as_json: bool) -> None:
    """List runs."""
    rows: list[Row] = [
        {
            "run": f"{dataset}/{manifest.run_id}",
            "finished": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(manifest.finished_s)),
            "complete": manifest.complete,
            "chunks": manifest.n_chunks,
            "failed": manifest.n_failed,
            "origin": manifest.provenance.origin,
            "teacher": manifest.provenance.teacher,
        }
        for dataset, manifest in runs
    ]
    if as_json:
        say_json(rows)
        return
    if len(rows) > MAX_NAMED:
        click.echo(f"… {len(rows) - MAX_NAMED} earlier runs; --json has them")
    click.echo(format_table(rows[-MAX_NAMED:]) if rows else "no runs yet; `python -m coordinator ingest --help` begins")


def tell_look(look: Look, *, as_json: bool) -> None:
    """Say what was seen of an object."""
    if as_json:
        say_json(look)
        return
    click.echo(look.title)
    for line in look.lines:
        click.echo(line)


def tell_comparison(found: "Comparison", *, as_json: bool) -> None:
    """Say how the templates of two runs agree."""
    if as_json:
        say_json(found)
        return
    click.echo(f"{found.first}: {found.steps[0]} steps\n{found.second}: {found.steps[1]} steps")
    click.echo(
        f"{found.common} steps in both; adjusted mutual information {found.agreement:.3f}; "
        f"{found.in_place:.1%} of them in templates that are matched"
    )
    for name, rows in (("matches", found.matches), ("changes", found.changes)):
        click.echo(f"\n{name}")
        click.echo(format_table([dataclasses.asdict(row) for row in rows]))


def _summary(manifest: Manifest) -> dict[str, object]:
    return {
        "run": manifest.run_id,
        "stage": manifest.stage,
        "trace": manifest.trace_id,
        "complete": manifest.complete,
        "chunks": manifest.n_chunks,
        "failed": [{"chunk": o.chunk_id, "error": o.error, "kind": o.error_kind} for o in manifest.failed],
        **dataclasses.asdict(measure_run(manifest, read_prices())),
        **_sum_costs(manifest),
        "cost": describe_cost(actual_cost(manifest, read_prices())),
        "result": manifest.result,
        "notes": manifest.notes,
    }


def _sum_costs(manifest: Manifest) -> dict[str, int]:
    """Return what the platform counted; nothing but attempts for a run on this machine."""
    outcomes = manifest.outcomes
    tried = [outcome for outcome in outcomes if outcome.attempts]
    return {
        "invocations": sum(outcome.attempts for outcome in tried),
        "retries": sum(outcome.attempts - 1 - outcome.backups for outcome in tried),
        "backups": sum(outcome.backups for outcome in tried),
        "cold_starts": sum(outcome.cold for outcome in outcomes),
        "billed_ms": sum(outcome.billed_ms for outcome in outcomes),
        "memory_mb": max((outcome.memory_mb for outcome in outcomes), default=0),
    }


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
