"""Tasks on this machine's cores.

Told a number of workers, it starts so many processes; told one, it computes in this process. Left to itself it begins
here at once, measures, and starts workers only where they pay: as many as there are cores, and as fit into memory. What
pays is decided in `coordinator.executors.pace`; who has which task is in `coordinator.executors.hands`.

Workers start once and keep their stage and store. A task that raises fails alone; a worker that dies (killed, out of
memory, a crash in C) takes at most its own task with it: what it had in hand is run again, one task at a time, and the
task whose process dies again is the culprit. A coordinator that dies of a task that it computed itself leaves a mark,
and the same command then computes nothing itself (`coordinator.executors.mark`).
"""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from coordinator.executors.hands import Hands
from coordinator.executors.journal import Journal
from coordinator.executors.mark import Mark
from coordinator.executors.memory import count_fitting, read_available_mb
from coordinator.executors.worker import Bench, Stores, Work, Worker
from lambdas.stages import find_stage
from mycelium.progress import Traffic
from mycelium.store import open_store
from mycelium.task import Task, TaskResult


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
        traffic: Traffic | None = None,
    ) -> None:
        """Take a number of workers, or leave it open.

        Args:
            max_workers: so many, from the first task on; None for as many as pay.
            cores: says how many cores there are.
            available_mb: says how much memory there is, MiB.
            marks: where marks of coordinators that compute are; None for this user's place.
            traffic: where the tasks that run now are counted, for who looks; None for nobody.
        """
        self.max_workers = max_workers
        self._cores, self._available_mb, self._marks = cores, available_mb, marks
        self._traffic = traffic or Traffic()
        self._kept: tuple[Work, list[Worker]] | None = None
        self._asked_s = 0.0  # spent here on the questions of a fit

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """See `mycelium.run.Executor.run`."""
        if not tasks:
            return
        if not tasks[0].asks:
            yield from self._run_with_journal(tasks, source_uri, target_uri)
        else:
            yield from self._run(tasks, (source_uri, target_uri))

    def _run_with_journal(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """Take from the journal what the same command knew before it was killed, and run the others."""
        journal = Journal(tasks[0].run_id, target_uri, self._marks)
        if journal.path.exists():
            found = {task.chunk_id for task in tasks if task.found}
            known = set()
            for result in journal.read(found, open_store(target_uri)):
                known.add(result.outcome.chunk_id)
                yield result
            tasks = [task for task in tasks if task.chunk_id not in known] if known else tasks
        finished = False
        try:
            with contextlib.closing(self._run(tasks, (source_uri, target_uri))) as results:
                for result in results:
                    journal.add(result)
                    yield result
            finished = True
        finally:
            if finished:
                journal.remove()
            else:
                journal.flush()

    def _run(self, tasks: Sequence[Task], stores: Stores) -> Generator[TaskResult, None, None]:
        if not tasks:
            return
        first, target_uri = tasks[0], stores[1]
        if self.max_workers == 1 or (self.max_workers is not None and len(tasks) == 1):
            yield from map(Bench(first, stores).run, tasks)
            return
        n_workers, computes_here = self._size_up(first)
        work = Work(first.stage, repr(first.params), stores, n_workers)
        mark = Mark(first.run_id, target_uri, self._marks)
        hands = Hands(tasks, stores, n_workers, computes_here, mark, self._take_workers(work))
        hands.traffic = self._traffic
        hands.spent_s = self._asked_s if first.asks else 0.0
        # The next round of the fit follows at once, or the map; they find the workers that this round leaves.
        yield from hands.results(keep=first.asks)
        self._asked_s += hands.here_s if first.asks else 0.0
        if hands.workers:
            self._kept = work, hands.workers

    def _size_up(self, task: Task) -> tuple[int, bool]:
        """Return how many workers there may be for tasks like this one, and whether this process may compute some."""
        if self.max_workers is not None:
            return self.max_workers, False
        memory_mb, available_mb = find_stage(task.stage).memory_mb, self._available_mb()
        # A task that leaves no room for another is none for the process that keeps the run's record.
        return count_fitting(memory_mb, available_mb, self._cores()), count_fitting(memory_mb, available_mb, 2) > 1

    def _take_workers(self, work: Work) -> list[Worker]:
        """Return the workers that a round of a fit has left, if they are at the same work; else let them go."""
        kept, self._kept = self._kept, None
        if kept is None or kept[0] == work:
            return [] if kept is None else kept[1]
        for worker in kept[1]:
            worker.close()
        return []
