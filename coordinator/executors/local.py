"""Tasks on this machine's cores.

The workers start once and keep their stage and store. A task that raises fails alone; a worker that dies (killed, out
of memory, a crash in C) takes at most its own task with it: what was in flight then is run again, one task to a fresh
process, and the task whose process dies again is the culprit.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import wait as wait_for_handle
from typing import Any

import msgspec

from lambdas.stages import find_stage
from mycelium.manifest import Outcome
from mycelium.stage import Stage
from mycelium.store import Store, open_store
from mycelium.task import Task, TaskResult, keep_heap, run_task

IN_FLIGHT_PER_WORKER = 4
"""Tasks handed to the pool ahead of time: enough that no worker waits, and few enough that a million need no memory."""


_Stores = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Work:
    """What the workers of a pool have in hand."""

    stage: str
    params: str
    stores: _Stores
    n_workers: int


class LocalExecutor:
    """Runs tasks in worker processes; with one worker, in this process."""

    name = "local"

    def __init__(self, max_workers: int | None = None) -> None:
        """Take a number of workers; by default one for each core this process may use."""
        self.max_workers = max_workers or count_cores()
        self._kept: tuple[_Work, ProcessPoolExecutor] | None = None

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """See `mycelium.run.Executor.run`."""
        if not tasks:
            return
        stores = (source_uri, target_uri)
        if self.max_workers == 1 or len(tasks) == 1:
            keep_heap()
            bench = _Bench(tasks[0], stores)
            yield from map(bench.run, tasks)
            return
        waiting = iter(tasks)
        suspects: list[Task] = []
        while True:
            yield from self._run_pool(waiting, suspects, stores, min(self.max_workers, len(tasks)))
            if not suspects:
                return
            for task in suspects:
                yield from self._run_alone(task, stores)
            suspects.clear()

    def _run_pool(
        self, waiting: Iterator[Task], suspects: list[Task], stores: _Stores, n_workers: int
    ) -> Iterator[TaskResult]:
        """Run tasks until none waits or a worker dies; then leave what was in flight in `suspects`."""
        first = next(waiting, None)
        if first is None:
            return
        work = _Work(first.stage, repr(first.params), stores, n_workers)
        pool = self._take_pool(work) or _make_pool(n_workers, first, stores)
        flying: dict[Future[TaskResult], Task] = {}
        waiting = chain((first,), waiting)
        try:
            while True:
                _submit(pool, islice(waiting, n_workers * IN_FLIGHT_PER_WORKER - len(flying)), flying, suspects)
                if not flying:
                    break
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    del flying[future]
                    yield result
            if first.asks:  # the next round of the fit follows at once, or the map
                self._kept = work, pool
        except BrokenProcessPool:
            for future, task in flying.items():
                if future.done() and future.exception() is None:
                    yield future.result()
                else:
                    suspects.append(task)
        finally:
            if self._kept is None:
                # Waiting lets tasks under way finish, so that Ctrl-C leaves whole chunks and no work half done.
                pool.shutdown(wait=True, cancel_futures=True)

    def _take_pool(self, work: "_Work") -> ProcessPoolExecutor | None:
        """Return the workers that a round of a fit has left, if they are at the same work; else let them go."""
        kept, self._kept = self._kept, None
        if kept is None or kept[0] == work:
            return None if kept is None else kept[1]
        kept[1].shutdown(wait=True)
        return None

    def _run_alone(self, task: Task, stores: _Stores) -> Iterator[TaskResult]:
        with _make_pool(1, task, stores) as pool:
            try:
                yield pool.submit(_run_in_worker, task).result()
            except BrokenProcessPool:
                error = "its worker process died twice: killed, out of memory, or a crash in native code"
                yield TaskResult(Outcome(task.chunk_id, "failed", error=error, error_kind="WorkerDied"))


class _Bench:
    """What a worker keeps between tasks."""

    def __init__(self, task: Task, stores: _Stores) -> None:
        self.source: Store = open_store(stores[0])
        self.target: Store = open_store(stores[1])
        self.stage: Stage[Any] = find_stage(task.stage)
        self.params = msgspec.convert(task.params, type(self.stage.params))

    def run(self, task: Task) -> TaskResult:
        return run_task(task, self.stage, self.params, self.source, self.target)


_bench: list[_Bench] = []


def _start_worker(task: Task, stores: _Stores) -> None:
    # Ctrl-C reaches the whole process group; only the coordinator answers it, and lets tasks under way finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    keep_heap()
    _bench[:] = [_Bench(task, stores)]


def _die_with_parent() -> None:
    """End this worker when the coordinator is gone, as after `kill -9`: else it would wait for tasks forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_handle([parent.sentinel])
        os._exit(1)


def _run_in_worker(task: Task) -> TaskResult:
    return _bench[0].run(task)


def _submit(
    pool: ProcessPoolExecutor, tasks: Iterable[Task], flying: dict[Future[TaskResult], Task], suspects: list[Task]
) -> None:
    for task in tasks:
        suspects.append(task)  # until the pool has it: a broken one refuses
        future = pool.submit(_run_in_worker, task)
        flying[future] = suspects.pop()


def _make_pool(n_workers: int, task: Task, stores: _Stores) -> ProcessPoolExecutor:
    # A fork of this process would take Arrow's threads' locks with it; the fork server has none, and imports once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, f"lambdas.stages.{task.stage}"])
    return ProcessPoolExecutor(n_workers, context, _start_worker, (task, stores))


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
