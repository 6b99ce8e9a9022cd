"""What the fleet's commands print: a few lines for people, or JSON for machines."""

import time
from collections.abc import Sequence

import click

from coordinator.fleet.launch import Launch
from coordinator.fleet.plan import FleetPlan
from coordinator.fleet.prices import PRICES_DATE
from coordinator.fleet.status import FleetLook, WorkerLook
from coordinator.merge.whole import Merge
from coordinator.tell import format_table, say_json
from mycelium.progress import format_seconds
from mycelium.schema import Row

MAX_NAMED = 20
"""Lines of one kind that are printed; of more, the number."""


def tell_plan(plan: FleetPlan, instance_type: str, region: str, *, spot_asked: bool, as_json: bool) -> None:
    """Say who would do what, how long that takes, and what it costs."""
    rows = [_allocation_row(plan, i) for i in range(len(plan.allocations))]
    if as_json:
        say_json(
            {
                "problems": plan.problems.run_id,
                "unit": plan.unit,
                "rate": plan.rate,
                "prices": plan.prices,
                "plan": rows,
            }
        )
        return
    click.echo(
        f"problems/{plan.problems.run_id}: {plan.n_problems:,} problems over {len(plan.allocations)} machines, "
        f"in {len(plan.shards)} shards, balanced by {plan.unit}"
    )
    click.echo(format_table(rows))
    if plan.unit == "characters":
        click.echo("characters stand in for tokens: no complete run over these problems has counted those", err=True)
    click.echo(f"speed: {_speed(plan)}")
    if plan.rate and plan.prices:
        spot = "now, as EC2 says" if spot_asked else f"at {plan.prices['spot'] / plan.prices['on-demand']:.0%} of it"
        click.echo(
            f"prices: {instance_type} in {region}, ${plan.prices['on-demand']:.4f} an hour on demand ({PRICES_DATE}), "
            f"${plan.prices['spot']:.4f} spot ({spot}); starting a machine and loading the teacher come on top"
        )
    click.echo("the last end-idx is the last problem: indices count from 0, and both ends belong to the range")


def _speed(plan: FleetPlan) -> str:
    return plan.rate_source if plan.rate is None else f"{plan.rate:.3g} problems/s a machine, {plan.rate_source}"


def _allocation_row(plan: FleetPlan, i: int) -> Row:
    allocation = plan.allocations[i]
    hours = plan.hours(allocation)
    row: Row = {
        "worker": allocation.worker,
        "start-idx": allocation.share.start,
        "end-idx": allocation.share.end,
        "problems": allocation.share.n_problems,
        "chunks": allocation.n_chunks,
        plan.unit: allocation.share.weight,
        "shards": len(allocation.shards),
        "hours": hours,
    }
    for kind in ("on-demand", "spot"):
        price = plan.prices.get(kind)
        row[f"$ {kind}"] = None if hours is None or price is None else round(hours * price, 4)
    return row


def tell_launch(launch: Launch, queue: str, machines: str, *, as_json: bool) -> None:
    """Say what was started."""
    if as_json:
        say_json(
            {
                "job": launch.job.name,
                "queue": queue,
                "sent": launch.sent,
                "waiting": launch.waiting,
                "done": launch.done,
            }
        )
        return
    job = launch.job
    click.echo(f"job {job.name}: {len(job.shards)} shards of problems/{job.problems} for {job.model}")
    there = f", {launch.waiting} in it already" if launch.waiting else ""
    click.echo(f"{launch.sent} shards sent to the queue{there}, {launch.done} done before")
    click.echo(machines)
    click.echo(f"how it stands: python -m coordinator fleet status {job.name}")


def tell_status(look: FleetLook, *, as_json: bool) -> None:
    """Say how a fleet stands."""
    if as_json:
        say_json(_status_facts(look))
        return
    share = f"{look.problems_done / look.problems:.1%}" if look.problems else "all"
    left = "?" if look.left_s is None else format_seconds(look.left_s)
    cost = "" if look.cost is None else f", ${look.cost:.2f} so far"
    run = f"run {look.run_id}, teacher {look.teacher}" if look.run_id else "no worker has begun"
    click.echo(f"job {look.job.name}: {run}")
    click.echo(
        f"{look.problems_done:,} of {look.problems:,} problems ({share}), {look.rate:.2f} problems/s, {left} left{cost}"
    )
    if look.shards is not None:
        click.echo(f"queue: {look.shards.waiting} shards waiting, {look.shards.leased} leased")
    if look.group is not None:
        click.echo(f"group: {look.group.running} machines of {look.group.desired} wanted, {look.group.most} allowed")
    if look.workers:
        click.echo(format_table([_worker_row(worker) for worker in look.workers[:MAX_NAMED]]))
    if len(look.workers) > MAX_NAMED:
        click.echo(f"… and {len(look.workers) - MAX_NAMED} other workers")
    for mark in look.given_up[:MAX_NAMED]:
        shard = look.job.shards[mark.number] if mark.number < len(look.job.shards) else None
        where = f" (problems {shard.start} to {shard.end})" if shard else ""
        last = f"last at problem {mark.last_problem} of chunk {mark.chunk_id}" if mark.last_problem else "no last words"
        why = f": {mark.error}" if mark.error else f", which killed {mark.worker}" if mark.worker else ""
        click.echo(f"given up: shard {mark.number}{where} after {mark.tries} tries, {last}{why}", err=True)
    if look.given_up:
        click.echo("`fleet start` with the same words tries them again", err=True)
    if look.is_complete:
        click.echo(f"all there: python -m coordinator merge {look.job.name}")


def _worker_row(worker: WorkerLook) -> Row:
    status = worker.status
    level, budget = status.spool_bytes / 1e6, status.spool_budget / 1e6
    return {
        "worker": status.worker,
        "state": "silent" if worker.is_silent else status.state,
        "shard": status.shard,
        "problems": status.problems,
        "problems/s": worker.rate,
        "spool": f"{level:,.0f}/{budget:,.0f} MB" if budget else "none",
        "seen": time.strftime("%H:%M:%S", time.localtime(status.seen_s)),
        "machine": " ".join(word for word in (status.instance_type, status.lifecycle) if word) or "–",
        "$": worker.cost,
        "note": status.note[:60],
    }


def _status_facts(look: FleetLook) -> dict[str, object]:
    return {
        "job": look.job.name,
        "run": look.run_id,
        "teacher": look.teacher,
        "problems_done": look.problems_done,
        "problems": look.problems,
        "rate": look.rate,
        "left_s": look.left_s,
        "cost": look.cost,
        "shards": look.shards,
        "group": look.group,
        "given_up": look.given_up,
        "workers": [_worker_row(worker) for worker in look.workers],
    }


def tell_merge(merge: Merge, *, as_json: bool) -> None:
    """Say what a merge found."""
    if as_json:
        say_json(
            {
                "run": merge.run_id,
                "complete": merge.manifest is not None,
                "faults": merge.faults,
                "hashed": merge.hashed,
            }
        )
        return
    _tell_faults(merge.faults)
    if merge.manifest is None:
        click.echo(f"{merge.run_id} is not whole; no manifest was written", err=True)
        return
    click.echo(f"{merge.run_id}: {merge.n_problems:,} problems in {merge.n_chunks} chunks, whole and of one kind")
    read = merge.manifest.result["read"][0]
    click.echo(f"{read['problems']} problems read, {read['skipped']} skipped, {read['tokens']} generated tokens")
    if merge.hashed:
        click.echo(f"{merge.hashed} chunks had no record, and were read for their digest")
    click.echo(f"manifests/{merge.datasets[-1]}/{merge.run_id}.json")


def _tell_faults(faults: Sequence[str]) -> None:
    for fault in faults[:MAX_NAMED]:
        click.echo(fault, err=True)
    if len(faults) > MAX_NAMED:
        click.echo(f"… and {len(faults) - MAX_NAMED} others", err=True)
