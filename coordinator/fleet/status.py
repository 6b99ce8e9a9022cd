"""How a fleet stands: what the store holds, what the queue holds, and what each worker said last."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from coordinator.fleet.group import Group, GroupLook
from coordinator.fleet.queue import Counts, FleetQueue
from mycelium.datasets import PROBLEMS
from mycelium.errors import ObjectNotFoundError, UnknownRunError
from mycelium.fleet.chunks import first_problems, written_chunks
from mycelium.fleet.records import PREFIX, Claim, Job, ShardMark, WorkerStatus, job_key, list_records, read_record
from mycelium.hint import say_command
from mycelium.manifest import find_run
from mycelium.store import Store

SILENT_S = 60.0
"""A worker that has said nothing for so long is taken for dead; it says something every quarter of that."""

_OVER = {"stopped", "failed"}


@dataclass(frozen=True, slots=True)
class WorkerLook:
    """One worker.

    Attributes:
        status: what it said last.
        is_silent: whether that was long ago, without a farewell.
        rate: problems per second while it was reading; None before the first.
        cost: US dollars since it began; None if its price is not known.
    """

    status: WorkerStatus
    is_silent: bool
    rate: float | None
    cost: float | None

    @property
    def is_at_work(self) -> bool:
        """Whether it is there."""
        return not self.is_silent and self.status.state not in _OVER


@dataclass(frozen=True, slots=True)
class FleetLook:
    """A job and who is at it.

    Attributes:
        job: the job.
        run_id: the run that it became; None before a worker has begun.
        teacher: who reads; None before that.
        problems_done: problems whose chunks are in the store.
        problems: problems of the job.
        rate: problems per second of all workers that are there.
        left_s: how long that takes, at this speed; None if nobody is reading.
        cost: US dollars so far, of the workers whose price is known; None if none is.
        workers: each worker.
        shards: the queue's counts; None if there is no queue to ask.
        given_up: shards that were put aside, with their last words.
        group: the machines; None if they are the user's own.
    """

    job: Job
    run_id: str | None
    teacher: str | None
    problems_done: int
    problems: int
    rate: float
    left_s: float | None
    cost: float | None
    workers: tuple[WorkerLook, ...]
    shards: Counts | None
    given_up: tuple[ShardMark, ...]
    group: GroupLook | None

    @property
    def is_complete(self) -> bool:
        """Whether every chunk is in the store."""
        return self.problems_done == self.problems


def find_job(store: Store, name: str | None, queue: FleetQueue | None) -> Job:
    """Find a job: by name, or its beginning; else the queue's; else the latest.

    Raises:
        UnknownRunError: there is none, or more than one.
    """
    wanted = name or (queue.read_job() if queue else None) or ""
    jobs = list(_list_jobs(store))
    exact = [job for job in jobs if job.name == wanted] or [job for job in jobs if job.name.startswith(wanted)]
    if not exact:
        what = f"no job {wanted!r}" if wanted else "no job"
        raise UnknownRunError(f"{what} in {store.uri}; `{say_command('coordinator fleet start')}` begins one")
    if name and len(exact) > 1:
        raise UnknownRunError(f"{name!r} may be any of {', '.join(job.name for job in exact[:4])}: say more of it")
    return max(exact, key=lambda job: job.created_s)


def _list_jobs(store: Store) -> list[Job]:
    # The keys of a job's other objects are listed, too, and not read.
    keys = [info.key for info in store.list(PREFIX) if info.key.endswith("/job.json") and info.key.count("/") == 2]
    return [read_record(store, key, Job) for key in keys]


def look_at_fleet(
    store: Store,
    job: Job,
    queue: FleetQueue | None = None,
    group: Group | None = None,
    clock: Callable[[], float] = time.time,
) -> FleetLook:
    """Look at a job: a few listings, and one small object for each worker.

    Args:
        store: where it is.
        job: which.
        queue: its queue, if there is one to ask.
        group: its machines, if they are a group's.
        clock: seconds since the epoch.

    Raises:
        DeploymentError: queue or group are gone, or refuse us.
    """
    problems = find_run(store, job.problems, PROBLEMS.name)
    counts = {chunk_id: n for chunk_id, (_, n) in first_problems(problems).items()}
    claim = _read_claim(store, job)
    written = written_chunks(store, claim.run_id, claim.datasets) if claim else frozenset()
    done, total = sum(counts[chunk_id] for chunk_id in written & counts.keys()), sum(counts.values())
    statuses = list_records(store, f"{PREFIX}{job.name}/workers/", WorkerStatus)
    workers = tuple(_look_at_worker(status, clock()) for status in statuses)
    rate = sum(worker.rate or 0.0 for worker in workers if worker.is_at_work)
    costs = [worker.cost for worker in workers if worker.cost is not None]
    return FleetLook(
        job=job,
        run_id=claim.run_id if claim else None,
        teacher=claim.provenance.teacher if claim else None,
        problems_done=done,
        problems=total,
        rate=rate,
        left_s=(total - done) / rate if rate else 0.0 if done == total else None,
        cost=sum(costs) if costs else None,
        workers=workers,
        shards=queue.count() if queue else None,
        given_up=_list_given_up(store, job, queue),
        group=group.look() if group else None,
    )


def _look_at_worker(status: WorkerStatus, now_s: float) -> WorkerLook:
    lived_s = max(0.0, status.seen_s - status.started_s)
    return WorkerLook(
        status=status,
        is_silent=status.state not in _OVER and now_s - status.seen_s > SILENT_S,
        rate=status.problems / status.busy_s if status.busy_s else None,
        cost=None if status.usd_per_hour is None else status.usd_per_hour * lived_s / 3600,
    )


def _read_claim(store: Store, job: Job) -> Claim | None:
    try:
        return read_record(store, job_key(job.name, "run"), Claim)
    except ObjectNotFoundError:
        return None


def _list_given_up(store: Store, job: Job, queue: FleetQueue | None) -> tuple[ShardMark, ...]:
    """Return the shards of a job in the dead-letter queue, with the last words of whoever tried them."""
    dead = {call.number for call in queue.list_dead() if call.job == job.name} if queue else set()
    if not dead:
        return ()
    marks = {mark.number: mark for mark in list_records(store, f"{PREFIX}{job.name}/shards/", ShardMark)}
    return tuple(marks.get(number, ShardMark(number, "", 0, "")) for number in sorted(dead))
