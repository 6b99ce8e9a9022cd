"""Tasks on this machine's cores.

Told a number of workers, it starts so many processes; told one, it computes in this process. Left to itself it begins
here at once, measures, and starts workers only where they pay: as many as there are cores, and as fit into memory. What
pays is decided in `coordinator.executors.pace`; the workers are in `coordinator.executors.worker`.

Workers start once and keep their stage and store. A task that raises fails alone; a worker that dies (killed, out of
memory, a crash in C) takes at most its own task with it: what was in flight then is run again, one task at a time, and
the task whose process dies again is the culprit. A coordinator that dies of a task that it computed itself leaves a
mark, and the same command then computes nothing itself (`coordinator.executors.mark`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coordinator.executors.mark import Mark
from coordinator.executors.memory import count_fitting, read_available_mb
from coordinator.executors.pace import Pace, choose_batch, workers_pay
from coordinator.executors.worker import Bench, Stores, Work, decode_results, make_pool, submit_batch
from lambdas.stages import find_stage
from mycelium.manifest import Outcome
from mycelium.task import Task, TaskResult

AHEAD = 2
"""Batches for each worker: one in hand and one that waits, so that a million tasks need no memory."""

PATIENCE_S = 0.1
"""A task that this process has been at for so long is not waited for: workers start on the others."""


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalExecutor:
    """Runs tasks in worker processes; in this process where no worker pays, or where told to use one."""

    name = "local"

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        cores: Callable[[], int] = count_cores,
        available_mb: Callable[[], float] = read_available_mb,
        marks: Path | None = None,
    ) -> None:
        """Take a number of workers, or leave it open.

        Args:
            max_workers: so many, from the first task on; None for as many as pay.
            cores: says how many cores there are.
            available_mb: says how much memory there is, MiB.
            marks: where marks of coordinators that compute are; None for this user's place.
        """
        self.max_workers = max_workers
        self._cores, self._available_mb, self._marks = cores, available_mb, marks
        self._kept: tuple[Work, ProcessPoolExecutor] | None = None
        self._asked_s = 0.0  # spent here on the questions of a fit

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """See `mycelium.run.Executor.run`."""
        if not tasks:
            return
        stores, first = (source_uri, target_uri), tasks[0]
        if self.max_workers == 1 or (self.max_workers is not None and len(tasks) == 1):
            yield from map(Bench(first, stores).run, tasks)
            return
        n_workers, here = self._size_up(first)
        work = Work(first.stage, repr(first.params), stores, n_workers)
        run = _Run(tasks, stores, n_workers, Mark(first.run_id, target_uri, self._marks), self._take_pool(work))
        run.spent_s = self._asked_s if first.asks else 0.0
        # The next round of the fit follows at once, or the map; they find the workers that this round leaves.
        yield from run.results(here=here, keep=first.asks)
        self._asked_s += run.here_s if first.asks else 0.0
        if run.pool is not None:
            self._kept = work, run.pool

    def _size_up(self, task: Task) -> tuple[int, bool]:
        """Return how many workers there may be for tasks like this one, and whether this process may compute some."""
        if self.max_workers is not None:
            return self.max_workers, False
        memory_mb, available_mb = find_stage(task.stage).memory_mb, self._available_mb()
        # A task that leaves no room for another is none for the process that keeps the run's record.
        return count_fitting(memory_mb, available_mb, self._cores()), count_fitting(memory_mb, available_mb, 2) == 2

    def _take_pool(self, work: Work) -> ProcessPoolExecutor | None:
        """Return the workers that a round of a fit has left, if they are at the same work; else let them go."""
        kept, self._kept = self._kept, None
        if kept is None or kept[0] == work:
            return None if kept is None else kept[1]
        kept[1].shutdown(wait=True)
        return None


@dataclass(slots=True)
class _Run:
    """Some tasks under way.

    Attributes:
        tasks: all of them.
        stores: where they read and write.
        n_workers: how many workers there are to be.
        mark: of tasks computed here.
        pool: the workers; None while there are none.
        spent_s: seconds spent here in earlier rounds.
        here_s: seconds of the tasks computed here.
        pace: how long a task takes.
    """

    tasks: Sequence[Task]
    stores: Stores
    n_workers: int
    mark: Mark
    pool: ProcessPoolExecutor | None
    spent_s: float = 0.0
    here_s: float = 0.0
    pace: Pace = field(default_factory=Pace)
    _bench: Bench | None = None  # where this process computes; None where it does not
    _marked: bool = False
    _n_taken: int = 0
    _here: Future[list[TaskResult]] | None = None
    _starting: Future[tuple[ProcessPoolExecutor, Future[bytes]]] | None = None
    _started_with: list[Task] = field(default_factory=list)
    _flying: dict[Future[bytes], list[Task]] = field(default_factory=dict)
    _ready: list[TaskResult] = field(default_factory=list)
    _suspects: list[Task] = field(default_factory=list)
    # One thread computes, the other waits for the first worker, which takes a quarter of a second.
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="local"))

    def results(self, *, here: bool, keep: bool) -> Iterator[TaskResult]:
        """Yield the result of every task.

        Args:
            here: whether this process may compute.
            keep: whether to leave the workers, in `pool`.
        """
        finished = False
        try:
            if here and self.pool is None and self.mark.make():
                self._marked = True
                self._bench = Bench(self.tasks[0], self.stores)
            while self._n_left or self._flying or self._here or self._starting:
                self._hand_out()
                self._collect()
                self._hand_out()  # once more, so that nobody waits while results are looked at
                ready, self._ready = self._ready, []
                yield from ready
                suspects, self._suspects = self._suspects, []
                yield from _run_one_by_one(suspects, self.stores)
            finished = True
        finally:
            self._close(finished=finished, keep=keep)

    @property
    def _n_left(self) -> int:
        return len(self.tasks) - self._n_taken

    def _take(self, n: int | None = None) -> list[Task]:
        n = n or choose_batch(self.pace.task_s, self._n_left, self.n_workers)
        self._n_taken += n
        return list(self.tasks[self._n_taken - n : self._n_taken])

    def _hand_out(self) -> None:
        """Give everybody enough to do, and start workers where that pays."""
        if self._suspects:
            return  # they are run first, and alone: it may have been memory
        while self.pool is not None and self._n_left and len(self._flying) < self.n_workers * AHEAD:
            batch = self._take()
            try:
                self._flying[submit_batch(self.pool, batch)] = batch
            except BrokenProcessPool:
                self._suspects += batch
                self._lose_workers()
                return
        if self._bench is not None and self._here is None and self._n_left:
            self._here = self._threads.submit(self._bench.run_all, self._take())
        pays = self.n_workers > 1 and workers_pay(self.pace, self._n_left, self.spent_s)
        if pays or self._bench is None:
            self._start_workers()
        if self._bench is None and self._here is None:
            self._unmark()

    def _start_workers(self) -> None:
        if self.pool is not None or self._starting is not None or not self._n_left:
            return
        batch = self._started_with = self._take(1)

        def start() -> tuple[ProcessPoolExecutor, Future[bytes]]:
            pool = make_pool(self.n_workers, batch[0], self.stores)
            return pool, submit_batch(pool, batch)

        self._starting = self._threads.submit(start)

    def _collect(self) -> None:
        """Wait until something is done, and take it."""
        waited: set[Future[Any]] = {one for one in (*self._flying, self._here, self._starting) if one is not None}
        if not waited:
            return
        done, _ = wait(waited, timeout=self._patience_s(), return_when=FIRST_COMPLETED)
        if not done:
            self._start_workers()
        if self._here in done and self._here is not None:
            results = self._here.result()
            self._here = None
            self._accept(results)
            self.here_s += sum(result.outcome.wall_s for result in results)
        if self._starting in done and self._starting is not None:
            self.pool, first = self._starting.result()
            self._starting = None
            self._flying[first] = self._started_with
        try:
            for future in [future for future in self._flying if future in done]:
                self._accept(decode_results(future.result()))
                del self._flying[future]
                self._bench = None  # the workers are up; this process has its record to keep
        except BrokenProcessPool:
            self._lose_workers()

    def _patience_s(self) -> float | None:
        """Return how long to wait before workers are started whatever the pace says; None for ever."""
        alone = self._here is not None and self._starting is None and self.pool is None
        if not alone or self.n_workers == 1 or not self._n_left:
            return None
        # Where tasks were tiny so far, it is rather the machine that is slow, and would get slower still.
        return PATIENCE_S if self.pace.task_s is None else 10 * PATIENCE_S

    def _accept(self, results: list[TaskResult]) -> None:
        for result in results:
            self.pace.add(result.outcome.wall_s)
        self._ready += results

    def _lose_workers(self) -> None:
        """Sort out what was in flight when a worker died, and compute nothing here any more."""
        for future, batch in self._flying.items():
            if future.done() and future.exception() is None:
                self._accept(decode_results(future.result()))
            else:
                self._suspects += batch
        self._flying.clear()
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool = self._bench = None

    def _close(self, *, finished: bool, keep: bool) -> None:
        """Let go of everything: tasks under way finish, so that Ctrl-C leaves whole chunks and no work half done."""
        self._threads.shutdown(wait=True)
        if self._starting is not None and self._starting.exception() is None:
            self.pool = self._starting.result()[0]
        if self.pool is not None and not (finished and keep):
            self.pool.shutdown(wait=True, cancel_futures=True)
            self.pool = None
        if finished:  # whoever left a mark, the run has come past it
            self.mark.remove()
        self._unmark()

    def _unmark(self) -> None:
        if self._marked:
            self.mark.remove()
            self._marked = False


def _run_one_by_one(tasks: Sequence[Task], stores: Stores) -> Iterator[TaskResult]:
    """Run tasks in a worker of their own; the one whose fresh process dies is the culprit, and fails."""
    pool: ProcessPoolExecutor | None = None
    waiting = list(reversed(tasks))
    try:
        while waiting:
            fresh, pool = pool is None, pool or make_pool(1, waiting[-1], stores)
            try:
                results = decode_results(submit_batch(pool, [waiting[-1]]).result())
            except BrokenProcessPool:
                pool.shutdown(wait=True)
                pool = None
                if not fresh:
                    continue  # it may have died of what the tasks before it left
                error = "its worker process died twice: killed, out of memory, or a crash in native code"
                results = [TaskResult(Outcome(waiting[-1].chunk_id, "failed", error=error, error_kind="WorkerDied"))]
            waiting.pop()
            yield from results
    finally:
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
