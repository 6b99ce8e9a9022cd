"""Who has which task: a thread that computes here, threads that each have a worker process, and who hears of results.

Every hand is a thread. It takes a batch, has it run, here or by its worker, and lays the results down. One lock guards
all that they share. What the consumer has not come back for is bounded, so that a million tasks need no memory.

Where tasks are tiny the consumer computes them itself, between its looks at the results, and the thread that did so
only watches: two threads that are both in Python all the time wait for one another.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from coordinator.executors.mark import Mark
from coordinator.executors.pace import Pace, choose_batch, consumer_pays, workers_pay
from coordinator.executors.worker import Bench, Stores, Worker, WorkerDiedError
from mycelium.manifest import Outcome
from mycelium.progress import Traffic
from mycelium.task import Task, TaskResult

AHEAD = 2
"""Batches for each hand whose results nobody has taken: then it waits."""

PATIENCE_S = 0.1
"""A task that this process has been at for so long is not waited for: workers start on the others."""

WORKER_DIED = "WorkerDied"
"""What the error of a task is called whose process died of it."""

RunsTasks = Callable[[Sequence[Task]], list[TaskResult]]


@dataclass(slots=True)
class Hands:
    """Some tasks under way.

    Attributes:
        tasks: all of them.
        stores: where they read and write.
        n_workers: how many workers there are to be.
        computes_here: whether this process may compute, too, until there are workers.
        mark: of tasks computed here.
        workers: those that are there; after the results, those that are left.
        spent_s: seconds spent here in earlier rounds.
        here_s: seconds of the tasks computed here.
        pace: how long a task takes.
        traffic: where the hands that have a batch are counted: each runs one task at a time.
    """

    tasks: Sequence[Task]
    stores: Stores
    n_workers: int
    computes_here: bool
    mark: Mark
    workers: list[Worker] = field(default_factory=list)
    spent_s: float = 0.0
    here_s: float = 0.0
    pace: Pace = field(default_factory=Pace)
    traffic: Traffic = field(default_factory=Traffic)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)
    _bench: Bench | None = None  # where this process computes; None where it does not
    _is_marked: bool = False
    _apart: frozenset[str] = frozenset()  # chunks that a coordinator had in hand when it died, for a worker
    _is_careful: bool = False  # as long as a worker is at those: nothing is computed here but what is known to be safe
    _in_hand: set[str] = field(default_factory=set)  # chunks that are computed here
    _n_hands: int = 0  # threads with a worker
    _n_busy: int = 0  # hands that have a batch
    _n_taken: int = 0
    _n_unseen: int = 0  # batches that the consumer has not come back for
    _ready: list[TaskResult] = field(default_factory=list)
    _suspects: list[Task] = field(default_factory=list)
    _error: BaseException | None = None
    _is_over: bool = False
    _has_workers: bool = False  # there is one: nothing more is computed here
    _is_alone: bool = False  # who takes the results computes them, too

    def results(self, *, keep: bool) -> Iterator[TaskResult]:
        """Yield the result of every task, in the order in which they are known.

        Args:
            keep: whether to leave the workers, in `workers`.
        """
        finished = False
        try:
            with self._changed:
                left = self.mark.make() if self.computes_here and not self.workers else None
                if left is None:
                    self._start_workers()
                else:
                    self._is_marked, self._apart = True, left
                    self._bench = Bench(self.tasks[0], self.stores)
                    if left:
                        self._is_careful = True
                        self._be_busy(1)
                        self._start_thread(self._be_careful)
                    self._start_thread(self._be_here)
            while (ready := self._wait()) is not None:
                yield from ready
                if self._suspects:
                    yield from self._run_suspects()
            finished = True
        finally:
            self._close(keep=finished and keep)
            self.traffic.in_flight = None
            if finished or self._is_marked:  # whoever left a mark, a run that is done has come past it
                self.mark.remove()

    def _wait(self) -> list[TaskResult] | None:
        """Return what is ready, as soon as something is; nothing if suspects are to be run; None once all is done."""
        with self._changed:
            self._n_unseen = 0
            self._changed.notify_all()
            while True:
                self._is_alone = self._consumer_pays()
                if self._error is not None:
                    raise self._error
                if self._ready or (self._suspects and not self._n_busy):
                    ready, self._ready = self._ready, []
                    return ready
                if not self._n_left and not self._n_busy:
                    return None
                if self._is_alone and not self._n_busy and self._bench is not None:
                    self._compute_between(self._bench)
                elif not self._changed.wait(self._patience_s()):
                    self._start_workers()

    def _patience_s(self) -> float | None:
        """Return how long to wait before workers are started whatever the pace says; None for ever."""
        if self._n_hands or self.n_workers == 1 or not self._n_left or self._is_careful:
            return None
        # Where tasks were tiny so far, it is rather the machine that is slow, and would get slower still.
        return PATIENCE_S if self.pace.task_s is None else 10 * PATIENCE_S

    def _consumer_pays(self) -> bool:
        is_here_only = self._bench is not None and not (self._n_hands or self._has_workers or self._is_careful)
        return is_here_only and self._n_left > 0 and consumer_pays(self.pace)

    def _compute_between(self, bench: Bench) -> None:
        """Compute a batch in the consumer's thread, which has the lock."""
        batch = self._take_batch(here=True)
        self._changed.release()
        try:
            self._run(bench.run_all, batch, here=True)
        finally:
            self._changed.acquire()

    @property
    def _n_left(self) -> int:
        return len(self.tasks) - self._n_taken

    def _take(self, *, here: bool, n: int | None = None) -> Sequence[Task] | None:
        """Return the next batch, once the consumer has room for its results; None when there is no more to do."""
        with self._changed:
            while not self._is_done(here=here) and not self._has_room(here=here):
                watches = here and self._is_alone and self.n_workers > 1
                if not self._changed.wait(10 * PATIENCE_S if watches else None) and self._n_busy:
                    self._start_workers()  # the consumer has been at its batch for so long
            return None if self._is_done(here=here) else self._take_batch(here=here, n=n)

    def _has_room(self, *, here: bool) -> bool:
        if self._suspects or (here and self._is_alone):
            return False
        if self._is_careful and not self.tasks[self._n_taken].found:
            return False
        return self._n_unseen < AHEAD * ((self._bench is not None) + self._n_hands)

    def _take_batch(self, *, here: bool, n: int | None = None) -> Sequence[Task]:
        n = n or choose_batch(self.pace.task_s, self._n_left, self.n_workers)
        batch = self.tasks[self._n_taken : self._n_taken + n]
        if self._is_careful:
            batch = tuple(takewhile(lambda task: task.found, batch))
        self._n_taken += len(batch)
        self._be_busy(1)
        if self._apart:
            batch = tuple(task for task in batch if task.chunk_id not in self._apart)
        if here:
            self._in_hand.update(task.chunk_id for task in batch)
            self.mark.hold([*self._in_hand, *self._apart])
        return batch

    def _be_busy(self, by: int) -> None:
        self._n_busy += by
        self.traffic.in_flight = self._n_busy

    def _is_done(self, *, here: bool) -> bool:
        return self._is_over or not self._n_left or (here and self._has_workers)

    def _start_workers(self) -> None:
        for _ in range(min(self.n_workers, self._n_left + len(self.workers)) - self._n_hands):
            self._n_hands += 1
            self._start_thread(self._be_with_worker)

    def _start_thread(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="local", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _be_here(self) -> None:
        bench = self._bench
        while bench is not None and (batch := self._take(here=True)) is not None:
            self._run(bench.run_all, batch, here=True)

    def _be_careful(self) -> None:
        """Have a worker run what a coordinator died of, perhaps, or was at when it was killed."""

        def run_all(tasks: Sequence[Task]) -> list[TaskResult]:
            results = list(_run_one_by_one(tasks, self.stores))
            # There may be more of the kind, and then this process is no place for them.
            self._has_workers |= any(result.outcome.error_kind == WORKER_DIED for result in results)
            return results

        self._run(run_all, [task for task in self.tasks if task.chunk_id in self._apart], here=True)
        with self._changed:
            self._is_careful = False
            if self._has_workers:
                self._start_workers()
            self._changed.notify_all()

    def _be_with_worker(self) -> None:
        with self._changed:
            worker = self.workers.pop() if self.workers else None
        n_first = None if worker is not None else 1  # for which the others need not wait until the worker is there
        while (batch := self._take(here=False, n=n_first)) is not None:
            n_first = None
            try:
                if worker is None:
                    worker = Worker(self.tasks[0], self.stores)
                    self._end_here()
                self._run(worker.run_all, batch, here=False)
            except WorkerDiedError:
                with self._changed:
                    self._suspects += batch
                    self._be_busy(-1)
                    self._changed.notify_all()
                if worker is not None:
                    worker.close()
                worker = None
            except BaseException as error:  # noqa: BLE001 - the consumer raises it
                self._fail(error)
        if worker is not None:
            with self._changed:
                self.workers.append(worker)

    def _end_here(self) -> None:
        with self._changed:
            self._has_workers = True
            self._changed.notify_all()

    def _run(self, run_all: RunsTasks, batch: Sequence[Task], *, here: bool) -> None:
        try:
            results = run_all(batch)
        except WorkerDiedError:
            raise
        except BaseException as error:  # noqa: BLE001 - the consumer raises it
            self._fail(error)
            return
        with self._changed:
            for result in results:
                self.pace.add(result.outcome.wall_s)
            self._ready += results
            self._be_busy(-1)
            self._n_unseen += bool(results)  # of a batch without any, the consumer never hears
            if here:
                self._in_hand.difference_update(result.outcome.chunk_id for result in results)
                self.here_s += sum(result.outcome.wall_s for result in results)
            self._consider_workers()
            self._changed.notify_all()

    def _consider_workers(self) -> None:
        if (
            self._bench is not None
            and not self._has_workers
            and workers_pay(self.pace, self._n_left, self.n_workers, self.spent_s)
        ):
            self._start_workers()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error, self._is_over = error, True
            self._be_busy(-1)
            self._changed.notify_all()

    def _run_suspects(self) -> Iterator[TaskResult]:
        """Run what a dead worker had in hand, one task after the other and nothing beside: it may have been memory."""
        with self._changed:
            self._changed.wait_for(lambda: not self._n_busy)
            suspects = list(self._suspects)
            self._bench = None  # this process is no place for them, nor for what is like them
            self._has_workers = True
        yield from _run_one_by_one(suspects, self.stores)
        with self._changed:
            self._suspects.clear()
            self._start_workers()
            self._changed.notify_all()

    def _close(self, *, keep: bool) -> None:
        """Let go of everything: tasks under way finish, so that Ctrl-C leaves whole chunks and no work half done."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if not keep:
            for worker in self.workers:
                worker.close()
            self.workers = []


def _run_one_by_one(tasks: Sequence[Task], stores: Stores) -> Iterator[TaskResult]:
    """Run tasks in a worker of their own; the one whose fresh process dies is the culprit, and fails."""
    with contextlib.ExitStack() as left:
        worker: Worker | None = None
        waiting = list(reversed(tasks))
        while waiting:
            is_fresh = worker is None
            try:
                if worker is None:
                    worker = Worker(waiting[-1], stores)
                    left.callback(worker.close)
                results = worker.run_all([waiting[-1]])
            except WorkerDiedError:
                worker = None
                if not is_fresh:
                    continue  # it may have died of what the tasks before it left
                error = "its worker process died twice: killed, out of memory, or a crash in native code"
                results = [TaskResult(Outcome(waiting[-1].chunk_id, "failed", error=error, error_kind=WORKER_DIED))]
            waiting.pop()
            yield from results
