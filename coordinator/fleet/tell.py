"""What the fleet's commands print: a few lines for people, or JSON for machines."""

import time

import click

from coordinator.fleet.launch import Launch
from coordinator.fleet.plan import FleetPlan
from coordinator.fleet.prices import PRICES_DATE
from coordinator.fleet.status import FleetLook, WorkerLook
from coordinator.printing import MAX_NAMED, format_table, name_some, say_json
from mycelium.fleet.records import Job, ShardMark
from mycelium.hint import say_command
from mycelium.progress import format_seconds
from mycelium.schema import Row


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
    click.echo(f"how it stands: {say_command(f'coordinator fleet status {job.name}')}")


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
    name_some([_describe_given_up(mark, look.job) for mark in look.given_up], "shards given up")
    if look.given_up:
        click.echo("`fleet start` with the same words tries them again", err=True)
    if look.is_complete:
        click.echo(f"all there: {say_command(f'coordinator merge {look.job.name}')}")


def _describe_given_up(mark: ShardMark, job: Job) -> str:
    shard = job.shards[mark.number] if mark.number < len(job.shards) else None
    where = f" (problems {shard.start} to {shard.end})" if shard else ""
    last = f"last at problem {mark.last_problem} of chunk {mark.chunk_id}" if mark.last_problem else "no last words"
    why = f": {mark.error}" if mark.error else f", which killed {mark.worker}" if mark.worker else ""
    return f"given up: shard {mark.number}{where} after {mark.tries} tries, {last}{why}"


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
