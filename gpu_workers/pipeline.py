"""Extraction as a pipeline: one thread drives the device, and many others keep it supplied and take away what it made.

Chunks go through in windows of some chunks each. While the device reads one window, the next one's chunks are fetched
and tokenized, and the one before is laid out, compressed and written. The problems of a window are put into batches
together, so that they are of similar lengths.

Each chunk is a task of its own, run by `mycelium.task.run_task` in a thread of its own, like anywhere else: what goes
wrong in it is its failure and nobody else's. In the middle of its map it hands its problems over at the `Desk` and
sleeps until they are read.

    threads of window k+1   fetch, tokenize ─► Desk ─► sleep
    main thread                               window k's problems ─► batches ─► device ─► answers
    threads of window k−1                                          lay out, compress, write ◄─ wake
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from threading import Condition, Event, local
from typing import TypeVar

from gpu_workers.extract import ExtractParams
from gpu_workers.reader import Answer, Job, Reader
from gpu_workers.teacher import Encoded
from mycelium.errors import ModelError
from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import Task, TaskResult, run_task

WINDOW = 8
"""Chunks whose problems are put into batches together."""

T = TypeVar("T")


@dataclass(slots=True)
class Request:
    """The problems of one chunk, on their way to the device and back.

    Attributes:
        encoded: the problems.
        answers: what was read of each, as far as it is known.
        left: how many are not known.
        done: set when all are known, or none will be.
    """

    encoded: Sequence[Encoded]
    answers: list[Answer] = field(default_factory=list)
    left: int = 0
    done: Event = field(default_factory=Event)

    def make_jobs(self) -> list[Job]:
        """Return a job for each problem."""
        self.answers = [""] * len(self.encoded)
        self.left = len(self.encoded)
        return [Job(item, lambda answer, i=i: self._take(i, answer)) for i, item in enumerate(self.encoded)]  # type: ignore[misc]

    def give_up(self) -> None:
        """Say that no more will be read."""
        self.answers = [ModelError("reading was ended before this chunk's turn")] * len(self.encoded)
        self.done.set()

    def _take(self, place: int, answer: Answer) -> None:
        self.answers[place] = answer
        self.left -= 1
        if not self.left:
            self.done.set()


class Desk:
    """Where the threads of the chunks hand over their problems, and wait."""

    def __init__(self) -> None:
        """Open it."""
        self.changed = Condition()
        self._here = local()
        self._handed_in: dict[str, Request] = {}
        self._taken: list[Request] = []
        self._is_closed = False

    def say_chunk(self, chunk_id: str) -> None:
        """Say which chunk this thread is at."""
        self._here.chunk_id = chunk_id

    def read(self, encoded: Sequence[Encoded]) -> Sequence[Answer]:
        """Hand over a chunk's problems, wait until they are read, and return the answers, in order."""
        request = Request(encoded)
        with self.changed:
            if self._is_closed:
                request.give_up()
            else:
                self._handed_in[self._here.chunk_id] = request
                self.changed.notify_all()
        request.done.wait()
        return request.answers

    def has(self, chunk_id: str) -> bool:
        """Return whether a chunk's problems are here."""
        return chunk_id in self._handed_in

    def take(self, chunk_ids: Sequence[str]) -> list[Job]:
        """Take the problems of some chunks, those that are here, in the chunks' order."""
        with self.changed:
            requests = [self._handed_in.pop(chunk_id) for chunk_id in chunk_ids if chunk_id in self._handed_in]
            self._taken = [request for request in self._taken if not request.done.is_set()] + requests
        return [job for request in requests for job in request.make_jobs()]

    def is_closed(self) -> bool:
        """Return whether nothing more will be read."""
        return self._is_closed

    def close(self) -> None:
        """Send everybody home: nothing more will be read."""
        with self.changed:
            self._is_closed = True
            for request in (*self._handed_in.values(), *self._taken):
                if not request.done.is_set():
                    request.give_up()
            self._handed_in.clear()


@dataclass(slots=True)
class _Crew:
    """The threads of the chunks, window by window.

    Attributes:
        pool: the threads.
        n_threads: how many: for three windows, one that is prepared, one that is read, one that is written.
        start: runs a task.
        desk: where they hand over problems.
        windows: what has not begun.
    """

    pool: ThreadPoolExecutor
    n_threads: int
    start: Callable[[Task], TaskResult]
    desk: Desk
    windows: deque[Sequence[Task]]
    _ahead: dict[str, Future[TaskResult]] = field(default_factory=dict)
    _unfinished: list[Future[TaskResult]] = field(default_factory=list)

    def feed(self, wait: bool) -> Sequence[Job] | None:  # noqa: FBT001 - `gpu_workers.reader.Feed`
        """Return the problems of the next window; see `gpu_workers.reader.Feed`."""
        with self.desk.changed:
            while True:
                self._prepare()
                if not self._ahead and not self.windows:
                    return None
                if self._ahead and all(self.desk.has(name) or task.done() for name, task in self._ahead.items()):
                    break
                if not wait:
                    return []
                self.desk.changed.wait()
        jobs = self.desk.take(sorted(self._ahead))
        self._ahead = {}
        with self.desk.changed:
            self._prepare()
        return jobs

    def finished(self) -> Iterator[TaskResult]:
        """Yield the results of the chunks that are done by now."""
        done = [task for task in self._unfinished if task.done()]
        self._unfinished = [task for task in self._unfinished if task not in done]
        for task in done:
            yield task.result()

    def rest(self) -> Iterator[TaskResult]:
        """Wait for the last chunks, and yield their results."""
        for task in as_completed(self._unfinished):
            yield task.result()

    def _prepare(self) -> None:
        """Begin the next window, if none is prepared yet and the one before the last is written."""
        at_work = sum(not task.done() for task in self._unfinished)
        if self._ahead or not self.windows or at_work + len(self.windows[0]) > self.n_threads:
            return
        for task in self.windows.popleft():
            future = self.pool.submit(self.start, task)
            future.add_done_callback(self._tell)
            self._ahead[task.chunk_id] = future
            self._unfinished.append(future)

    def _tell(self, _: Future[TaskResult]) -> None:
        with self.desk.changed:
            self.desk.changed.notify_all()


def cut_windows(tasks: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Yield the windows: small ones first and last, so that the device begins soon and little is left when it ends.

    Args:
        tasks: those of the run, in order.
        most: chunks in a window, at most.
    """
    done = 0
    while left := len(tasks) - done:
        size = min(most, done + 1, -(-left // 2))
        yield tasks[done : done + size]
        done += size


class PipelineExecutor:
    """Runs the tasks of extraction around a teacher's device."""

    name = "gpu_worker"

    def __init__(
        self,
        stage: Stage[ExtractParams],
        desk: Desk,
        reader: Reader,
        open_store: Callable[[str], Store],
        window: int = WINDOW,
    ) -> None:
        """Take what is run.

        Args:
            stage: the stage, whose map reads problems by `Desk.read` of the same desk.
            desk: the desk.
            reader: what drives the device.
            open_store: opens a store.
            window: chunks whose problems are put into batches together.
        """
        self._stage = stage
        self._desk = desk
        self._reader = reader
        self._open_store = open_store
        self._window = window

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """See `mycelium.run.Executor.run`; those found come first."""
        source, target = self._open_store(source_uri), self._open_store(target_uri)

        def start(task: Task) -> TaskResult:
            self._desk.say_chunk(task.chunk_id)
            return run_task(task, self._stage, self._stage.params, source, target)

        ordered = sorted(tasks, key=lambda task: not task.found)
        windows = deque(cut_windows(ordered, self._window))
        n_threads = 3 * self._window
        with ThreadPoolExecutor(n_threads, "chunk") as pool:
            crew = _Crew(pool, n_threads, start, self._desk, windows)
            try:
                for _ in self._reader.read(crew.feed):
                    yield from crew.finished()
                yield from crew.rest()
            finally:
                self._desk.close()
                pool.shutdown(cancel_futures=True)
