"""Take over chunks whose output is in the store already: read it, and summarize it again.

No function is invoked for it while the chunks are few. Many are left to the functions, which sit beside the bucket.
"""

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import msgspec

from coordinator.executors.fan_out import FanOut, ThreadCrew
from lambdas.stages import find_stage
from mycelium.store import open_store
from mycelium.task import Task, TaskResult, run_task

ADOPT_HERE = 1000
"""Chunks read by the coordinator itself; more than these are left to the functions."""

READERS = 8
"""Chunks read at a time: boto3 keeps ten connections to a bucket."""

READ_AHEAD = 64
"""Results that wait for those of the functions: their parts may be of 2 MB each."""

LOOK_S = 0.1
"""How often a reader that waits for room looks whether anybody still wants its results."""


def adopt_outputs(tasks: Sequence[Task], source_uri: str, target_uri: str) -> Generator[TaskResult]:
    """Yield what each task's output in the store says of it.

    Args:
        tasks: of one stage and one set of parameters.
        source_uri: the store that the tasks read; nothing is read there.
        target_uri: the store that holds the outputs.

    Raises:
        StoreNotAvailableError: the store can't be used.
    """
    if not tasks:
        return
    source, target = open_store(source_uri), open_store(target_uri)
    stage = find_stage(tasks[0].stage)
    params = msgspec.convert(tasks[0].params, type(stage.params))

    def adopt(task: Task) -> TaskResult:
        return run_task(replace(task, found=True), stage, params, source, target)

    for _, result in FanOut(ThreadCrew(adopt), lambda _: None, READERS).run(tasks):
        yield replace(result, outcome=replace(result.outcome, attempts=0))


def yield_beside(results: Iterator[TaskResult], adopted: Generator[TaskResult]) -> Iterator[TaskResult]:
    """Yield what functions answer, and between that what a thread takes over meanwhile; then the rest of it.

    Whoever carries on from where a run was cut off has chunks to invoke and chunks to take over: to read 1,000 outputs
    first would leave the functions without work for seconds.

    Raises:
        StoreNotAvailableError: the store can't be used.
    """
    reader = _Reader(adopted)
    try:
        for result in results:
            yield result
            yield from reader.take(wait=False)
        yield from reader.take(wait=True)
    finally:
        reader.unwanted.set()


class _Reader:
    """A thread that draws results ahead of whoever takes them."""

    def __init__(self, adopted: Generator[TaskResult]) -> None:
        self.unwanted = threading.Event()
        self._adopted = adopted
        self._is_drawn = False
        self._landed: queue.Queue[TaskResult | BaseException | None] = queue.Queue(READ_AHEAD)
        threading.Thread(target=self._draw, name="adopt", daemon=True).start()

    def take(self, *, wait: bool) -> Iterator[TaskResult]:
        """Yield what has been drawn; all that ever will be, if one may wait for it."""
        while not self._is_drawn and (wait or not self._landed.empty()):
            one = self._landed.get()
            if isinstance(one, BaseException):
                raise one
            if one is None:
                self._is_drawn = True
            else:
                yield one

    def _draw(self) -> None:
        try:
            for result in self._adopted:
                if not self._put(result):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            self._put(error)
        finally:
            self._adopted.close()

    def _put(self, what: TaskResult | BaseException | None) -> bool:
        """Hand something over; False if nobody wants it any longer."""
        while not self.unwanted.is_set():
            with contextlib.suppress(queue.Full):
                self._landed.put(what, timeout=LOOK_S)
                return True
        return False
