"""Start a job: write it down, fill the queue, set the group; started again, it does only what is missing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coordinator.fleet.plan import FleetPlan
from coordinator.fleet.queue import FleetQueue
from mycelium.errors import ObjectNotFoundError, UserInputError
from mycelium.fleet.chunks import chunks_between, written_chunks
from mycelium.fleet.records import Claim, Job, ShardCall, job_key, name_job, put_record, read_record
from mycelium.schema import Row
from mycelium.settings import expand_home
from mycelium.store import Store


@dataclass(frozen=True, slots=True)
class Launch:
    """What was started.

    Attributes:
        job: the job.
        sent: shards sent to the queue now.
        waiting: shards that were in it already.
        done: shards whose chunks are all in the store.
    """

    job: Job
    sent: int
    waiting: int
    done: int


def make_job(
    plan: FleetPlan,
    model: str,
    params: Row,
    instance_type: str | None,
    clock: Callable[[], float] = time.time,
) -> Job:
    """Return the job that a plan is for a teacher."""
    return Job(
        name=name_job(plan.problems, model, params),
        problems=plan.problems.run_id,
        model=model,
        params=params,
        shards=plan.shards,
        unit=plan.unit,
        workers=len(plan.allocations),
        created_s=clock(),
        instance_type=instance_type,
        usd_per_hour=plan.prices,
    )


def check_model(model: str, *, is_cloud: bool) -> None:
    """Refuse a teacher that the machines can't get at.

    Raises:
        UserInputError: it is a folder of this machine, and they are not this machine.
    """
    is_folder = "://" not in model and (expand_home(model).is_dir() or model.startswith((".", "/", "~")))
    if is_cloud and (is_folder or model.startswith("file:")):
        name = Path(model).name
        raise UserInputError(
            f"the machines can't see the folder {model}: copy it, `aws s3 sync {model} s3://BUCKET/models/{name}`, "
            f"and give --model s3://BUCKET/models/{name}"
        )


def fill_queue(store: Store, queue: FleetQueue, job: Job, plan: FleetPlan) -> Launch:
    """Write a job down and send its shards; those that are done already are left out.

    A job that was written down before keeps its shards, whatever the plan says now. Killed half way, it is filled again
    from the beginning: a shard that is in the queue twice is read once.

    Raises:
        UserInputError: the queue still holds the shards of another job.
    """
    there, open_shards = queue.read_job(), queue.count().total
    if open_shards and there != job.name:
        raise UserInputError(
            f"queue {queue.url} still holds {open_shards} shards of job {there or 'nobody knows which'}: "
            "let it finish, or empty it by `fleet stop --empty`"
        )
    try:
        job = read_record(store, job_key(job.name, "job"), Job)
    except ObjectNotFoundError:
        put_record(store, job_key(job.name, "job"), job)
    missing = find_missing(store, job, plan)
    done = len(job.shards) - len(missing)
    if open_shards and _is_filled(store, job.name):
        return Launch(job, 0, open_shards, done)
    put_record(store, job_key(job.name, "filled"), record=False)
    queue.say_job(job.name)
    queue.forget_dead(job.name)
    queue.fill(missing)
    put_record(store, job_key(job.name, "filled"), record=True)
    return Launch(job, len(missing), open_shards, done)


def find_missing(store: Store, job: Job, plan: FleetPlan) -> list[ShardCall]:
    """Return the shards of which a chunk is not in the store."""
    try:
        claim = read_record(store, job_key(job.name, "run"), Claim)
        written = written_chunks(store, claim.run_id, claim.datasets)
    except ObjectNotFoundError:
        written = frozenset()
    return [
        ShardCall(job.name, shard.number, shard.start, shard.end)
        for shard in job.shards
        if not written.issuperset(chunks_between(plan.problems, shard.start, shard.end))
    ]


def _is_filled(store: Store, job: str) -> bool:
    try:
        return read_record(store, job_key(job, "filled"), bool)
    except ObjectNotFoundError:
        return False
