"""The worker: leases a shard, reads what is missing of it, acknowledges it once the store holds all, and again.

What ends it: the queue is drained; there is nothing for it to do for a while; it is told to stop. In every case it
first finishes the chunk in hand, waits until what it wrote is confirmed, and gives back what it leased.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gpu_workers.work.lease import RETRY_S, WAIT_S, Lease, LeaseKeeper, ShardQueue
from gpu_workers.work.notice import Machine, Stop
from mycelium.errors import ChunkDamagedError, MyceliumError, ObjectNotFoundError, StoreError, UserInputError
from mycelium.fleet.records import Job, ShardMark, WorkerStatus, job_key, put_record, read_job, read_record
from mycelium.manifest import Outcome
from mycelium.store import Store

if TYPE_CHECKING:  # it brings in torch, and there may be nothing to do
    from gpu_workers.work.shard_reader import ShardEnd, ShardReader

STATUS_EVERY_S = 15.0
"""How often a worker says how it stands. A worker that has said nothing for four times as long is taken for dead."""

IDLE_S = 600.0
"""How long a worker waits for a shard while others are at theirs: one of them may die."""

_DRAINED_AFTER = 2
"""How often the queue must look drained: SQS counts approximately."""


@dataclass(frozen=True, slots=True)
class WorkEnd:
    """How a worker ended.

    Attributes:
        reason: in words.
        is_done: whether there was nothing left to do for anybody.
        shards: shards that it finished.
        problems: problems that it read.
        failed: what went wrong with a chunk, by shard and chunk.
    """

    reason: str
    is_done: bool
    shards: int
    problems: int
    failed: tuple[str, ...]


def first_status(name: str, machine: Machine, clock: Callable[[], float] = time.time) -> WorkerStatus:
    """Return the status of a worker that has not begun."""
    now = clock()
    return WorkerStatus(name, "waiting", now, now, instance_type=machine.instance_type, lifecycle=machine.lifecycle)


class Reporter:
    """Says how a worker stands: at once where its state changes, and every so often in between."""

    def __init__(self, store: Store, status: WorkerStatus, clock: Callable[[], float] = time.time) -> None:
        """Take the first status; nothing is written before the job is known."""
        self._store, self._clock = store, clock
        self.status, self.job = status, ""
        self.measure: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="status", daemon=True)

    def __enter__(self) -> Self:
        """Begin to say it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say it once more."""
        self._end.set()
        self._thread.join()
        if error is not None:
            self.say(state="failed", shard=None, note=" ".join(str(error).split())[:200])

    def begin(self, job: str) -> None:
        """Take up a job; a worker that was started again on its machine goes on counting where it was."""
        self.job = job
        with contextlib.suppress(ObjectNotFoundError, ChunkDamagedError):
            before = read_record(self._store, job_key(job, "workers", self.status.worker), WorkerStatus)
            self.status = replace(
                self.status,
                started_s=min(before.started_s, self.status.started_s),
                problems=before.problems,
                chunks=before.chunks,
                busy_s=before.busy_s,
            )

    def say(self, **changes: object) -> None:
        """Change the status, and write it."""
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
        self._write()

    def count(self, outcome: Outcome) -> None:
        """Count a chunk; it is said with the next status."""
        before = self.status
        self.status = replace(
            before,
            problems=before.problems + outcome.n_input,
            chunks=before.chunks + 1,
            busy_s=before.busy_s + outcome.wall_s,
        )

    def note(self, text: str | None) -> None:
        """Note what the work waits for; it is said with the next status."""
        self.status = replace(self.status, note=text or "")

    def _write(self) -> None:
        if not self.job:
            return
        spool_bytes, spool_budget = self.measure()
        status = replace(self.status, seen_s=self._clock(), spool_bytes=spool_bytes, spool_budget=spool_budget)
        try:
            put_record(self._store, job_key(self.job, "workers", status.worker), status)
        except StoreError:
            return  # the work itself will find out whether the store is gone for good

    def _repeat(self) -> None:
        while not self._end.wait(STATUS_EVERY_S):
            self._write()


@dataclass(slots=True)
class Worker:
    """A worker at one queue.

    Attributes:
        queue: the shards.
        store: where jobs, problems and, in the end, chunks are.
        open_reader: loads the teacher of a job.
        stop: what tells it to stop.
        reporter: says how it stands.
        machine: what it runs on.
        wait_s: how long it waits for a shard at a time.
        idle_s: how long it stays while others are at their shards and there is none for it.
        clock: seconds from any start.
        tell: told, in words, what happens.
    """

    queue: ShardQueue
    store: Store
    open_reader: Callable[[Job], "ShardReader"]
    stop: Stop
    reporter: Reporter
    machine: Machine = field(default_factory=Machine)
    wait_s: int = WAIT_S
    idle_s: float = IDLE_S
    clock: Callable[[], float] = time.monotonic
    tell: Callable[[str], None] = lambda _: None
    _reader: "ShardReader | None" = None
    _mark: ShardMark = field(default_factory=lambda: ShardMark(0, "", 0, ""))
    _shards: int = 0
    _failed: list[str] = field(default_factory=list)

    def run(self) -> WorkEnd:
        """Work until there is nothing left to do, or until told to stop.

        Raises:
            UserInputError: the queue is not ours to work at: of another store, run, teacher or job.
            ModelError: the teacher can't be loaded.
            StoreNotAvailableError: the store can't be used.
            DeploymentError: the queue can't be used.
        """
        with self.reporter:
            reason, is_done = self._run()
            self.reporter.say(state="stopped", shard=None, note=reason)
        status = self.reporter.status
        return WorkEnd(reason, is_done, self._shards, status.problems, tuple(self._failed))

    def _run(self) -> tuple[str, bool]:
        idle_since, looked_empty = self.clock(), 0
        while not self.stop.is_set:
            lease = self.queue.lease(1 if looked_empty else self.wait_s)
            if lease is not None:
                self._serve(lease)
                idle_since, looked_empty = self.clock(), 0
                continue
            looked_empty = 0 if self.queue.n_open() else looked_empty + 1
            if looked_empty >= _DRAINED_AFTER:
                return "the queue is drained", True
            if self.clock() - idle_since > self.idle_s:
                return "nothing to do: others are at the last shards", True
            self.reporter.say(state="waiting", shard=None)
        return self.stop.reason, False

    def _serve(self, lease: Lease) -> None:
        """Do one shard; however it ends, the lease is dealt with, unless this process dies."""
        with LeaseKeeper(self.queue, lease) as keeper:
            try:
                if self.stop.is_set:
                    self.queue.give_back(lease)
                    return
                reader = self._find_reader(lease.call.job)
                end = self._read(reader, lease, keeper)
            except MyceliumError:
                # Not the shard's fault: the machine's, or that of who started it here.
                self.queue.give_back(lease)
                raise
            if not keeper.lost.is_set():
                self._settle(lease, end)

    def _find_reader(self, job_name: str) -> "ShardReader":
        if self._reader is not None:
            if self._reader.job.name != job_name:
                raise UserInputError(
                    f"the queue holds shards of job {job_name}, and this worker is at job {self._reader.job.name}: "
                    "start another one for it"
                )
            return self._reader
        job = read_job(self.store, job_name)
        self.reporter.begin(job.name)
        price = job.usd_per_hour.get(self.machine.lifecycle) if self.machine.instance else None
        self.reporter.say(state="loading", usd_per_hour=price)
        self.tell(f"loading {job.model} for job {job.name}")
        self._reader = self.open_reader(job)
        self.tell(f"run {self._reader.claim.run_id}, teacher {self._reader.claim.provenance.teacher}")
        return self._reader

    def _read(self, reader: "ShardReader", lease: Lease, keeper: LeaseKeeper) -> "ShardEnd":
        call = lease.call
        again = f", try {lease.tries}" if lease.tries > 1 else ""
        self.tell(f"shard {call.number}: problems {call.start} to {call.end}{again}")
        self._mark = ShardMark(call.number, self.reporter.status.worker, lease.tries, "reading")
        self.reporter.say(state="working", shard=call.number, note="")

        def is_over() -> bool:
            if self.stop.is_set:
                self.reporter.say(state="draining", note=self.stop.reason)
            return self.stop.is_set or keeper.lost.is_set()

        return reader.read(call, lease.tries, is_over, self._say_chunk, self.reporter.count)

    def _say_chunk(self, chunk_id: str, first: str, last: str) -> None:
        """Leave word of what is read next, before it is: nobody can after `kill -9`."""
        self._leave(replace(self._mark, chunk_id=chunk_id, first_problem=first, last_problem=last))

    def _leave(self, mark: ShardMark) -> None:
        self._mark = mark
        put_record(self.store, job_key(self.reporter.job, "shards", f"{mark.number:05d}"), mark)

    def _settle(self, lease: Lease, end: "ShardEnd") -> None:
        """Tell the queue how a shard ended, after the store has been told."""
        if end.errors:
            named = [f"shard {lease.call.number}, chunk {chunk_id}: {error}" for chunk_id, error in end.errors.items()]
            self._failed += named
            self.tell(f"failed: {named[0]}")
            self._leave(replace(self._mark, state="failed", error="; ".join(named)[:500]))
            self.queue.let_fail(lease, RETRY_S)
        elif end.is_complete:
            self._shards += 1
            self._leave(replace(self._mark, state="done"))
            self.queue.acknowledge(lease)
        else:
            self._leave(replace(self._mark, state="returned"))
            self.queue.give_back(lease)
