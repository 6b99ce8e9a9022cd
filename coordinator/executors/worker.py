"""Worker processes: how they start, what they keep between tasks, and what goes to them and back.

Batches go as MessagePack: 5 µs for a task there and back, where pickle takes 40.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_handle
from typing import Any

import msgspec

from lambdas.stages import find_stage
from mycelium.stage import Stage
from mycelium.store import Store, open_store
from mycelium.task import Task, TaskResult, keep_heap, run_task

Stores = tuple[str, str]
"""URIs of the store that is read and the store that is written."""

_tasks = msgspec.msgpack.Decoder(list[Task])
_results = msgspec.msgpack.Decoder(list[TaskResult])


@dataclass(frozen=True, slots=True)
class Work:
    """What workers have in hand, which they keep while it stays the same.

    Attributes:
        stage: the stage's name.
        params: its parameters, as text.
        stores: where it reads and writes.
        n_workers: how many are at it.
    """

    stage: str
    params: str
    stores: Stores
    n_workers: int


class Bench:
    """What a process keeps between tasks."""

    def __init__(self, task: Task, stores: Stores) -> None:
        """Open the stores and find the stage, for all tasks that are like this one."""
        keep_heap()
        self.source: Store = open_store(stores[0])
        self.target: Store = open_store(stores[1])
        self.stage: Stage[Any] = find_stage(task.stage)
        self.params = msgspec.convert(task.params, type(self.stage.params))

    def run(self, task: Task) -> TaskResult:
        """Run a task."""
        return run_task(task, self.stage, self.params, self.source, self.target)

    def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
        """Run tasks one after another."""
        return [self.run(task) for task in tasks]


_bench: list[Bench] = []


def make_pool(n_workers: int, task: Task, stores: Stores) -> ProcessPoolExecutor:
    """Make workers for tasks that are like this one; they start as they are needed."""
    # A fork of this process would take Arrow's threads' locks with it; the fork server has none, and imports once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, f"lambdas.stages.{task.stage}"])
    return ProcessPoolExecutor(n_workers, context, _start_worker, (task, stores))


def submit_batch(pool: ProcessPoolExecutor, tasks: Sequence[Task]) -> Future[bytes]:
    """Hand tasks to a worker; `decode_results` reads the answer.

    Raises:
        BrokenProcessPool: a worker has died.
    """
    return pool.submit(_run_batch, msgspec.msgpack.encode(tasks))


def decode_results(data: bytes) -> list[TaskResult]:
    """Return what became of a batch."""
    return _results.decode(data)


def _run_batch(data: bytes) -> bytes:
    return msgspec.msgpack.encode(_bench[0].run_all(_tasks.decode(data)))


def _start_worker(task: Task, stores: Stores) -> None:
    # Ctrl-C reaches the whole process group; only the coordinator answers it, and lets tasks under way finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _bench[:] = [Bench(task, stores)]


def _die_with_parent() -> None:
    """End this worker when the coordinator is gone, as after `kill -9`: else it would wait for tasks forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_handle([parent.sentinel])
        os._exit(1)
