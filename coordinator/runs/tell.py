"""What is printed of runs: how one stands, what came out of it, and which there are."""

import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from coordinator.cost.actual import CLOUD, actual_cost, describe_cost
from coordinator.cost.headline import measure_run
from coordinator.cost.prices import read_prices
from coordinator.cost.tell import tell_cost
from coordinator.options import name_store
from coordinator.printing import MAX_NAMED, format_table, name_some, say_json
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.hint import say_command
from mycelium.manifest import Manifest
from mycelium.schema import Row

if TYPE_CHECKING:  # it would bring in the executors, for every command
    from coordinator.runs.attach import RunLook

MAX_ROWS = 64
"""Rows of a table that are printed for people; JSON has them all."""


def tell_run(
    manifest: Manifest,
    *,
    as_json: bool,
    silent: bool = False,
    store: str | None = None,
    deployment: str | None = None,
) -> None:
    """Say how a run stands and what came out.

    Args:
        manifest: the run's.
        as_json: say it as one JSON document.
        silent: say its failures alone, for standard output is another's.
        store: the URI of where it is, for the commands that are named.
        deployment: the deployment that ran it, for the same; None for the usual one.
    """
    if silent:
        _tell_failures(manifest, store, deployment)
        return
    if as_json:
        say_json(summarize_run(manifest))
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
    _tell_failures(manifest, store, deployment)


def _tell_failures(manifest: Manifest, store: str | None, deployment: str | None) -> None:
    at = name_store(store)
    by = f" --deployment {shlex.quote(deployment)}" if deployment not in {None, DEFAULT_DEPLOYMENT} else ""
    failed = manifest.failed
    kinds = Counter(outcome.error_kind for outcome in failed)
    for kind, count in kinds.most_common():
        one = next(outcome.chunk_id for outcome in failed if outcome.error_kind == kind)
        again = say_command(f"coordinator run-task {manifest.stage} {one} --run {manifest.run_id}{at} --pdb")
        click.echo(f"{count} failed by {kind}; see one: `{again}`", err=True)
    name_some([f"failed: chunk {outcome.chunk_id}: {outcome.error}" for outcome in failed], "failed chunks")
    if "stopped" in manifest.notes:
        click.echo(f"the run gave up: {manifest.notes['stopped']}", err=True)
    if failed and manifest.trace_id and manifest.executor in CLOUD:
        click.echo(
            f"trace {manifest.trace_id}; what the functions logged: `{_logs_command(manifest, store)}{by}`",
            err=True,
        )
    if failed:
        where = f" --executor {manifest.executor}{by}" if manifest.executor in CLOUD else ""
        again = say_command(f"coordinator retry {manifest.run_id}{at}{where}")
        click.echo(f"`{again}` runs what is missing again", err=True)


def _logs_command(manifest: Manifest, store: str | None) -> str:
    """Return the command for a run's logs; it looks into the deployment's bucket, whatever the settings' store is."""
    at = f" --store {shlex.quote(store)}" if store else ""
    return say_command(f"coordinator logs {manifest.run_id}{at}{' --failed' if manifest.failed else ''}")


def tell_cut_off(run: str, n_written: int, *, as_json: bool) -> None:
    """Say that a run has chunks and no manifest."""
    if as_json:
        say_json({"run": run, "state": "cut off", "chunks": n_written})
    else:
        click.echo(
            f"{run}: cut off, {n_written} chunks written and no manifest; the same command carries on from there"
        )


def tell_under_way(look: "RunLook", *, as_json: bool, store: str | None = None) -> None:
    """Say how far a state machine is with a run."""
    if as_json:
        say_json(look)
        return
    name = look.execution.rpartition(":")[2]
    click.echo(f"{look.run_id}: execution {name} is {look.state}, {look.n_written} chunks written of the run's")
    attach = say_command(f"coordinator attach {look.run_id}{name_store(store)}")
    click.echo(f"`{attach}` follows it to its end and writes the manifest")


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
    hint = f"no runs yet; `{say_command('coordinator ingest --help')}` begins"
    click.echo(format_table(rows[-MAX_NAMED:]) if rows else hint)


def summarize_run(manifest: Manifest) -> dict[str, object]:
    """Return what machines are told of a run."""
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
