"""A fit: what a stage must know of all chunks before it can map one of them, found by asking them round after round.

Each round puts a question, a small table in the run's store, to every chunk; the answers come back as parts do, and are
reduced as parts are. Questions, what was answered to them, and the artifact lie below ``fits/<run id>/``:

    question-<digest>.arrow   sum-<digest of the question>.arrow   artifact.arrow

A sum is written when its round is complete, and is that round's completion mark; the artifact is the fit's. So a fit
that was interrupted begins anew, and is answered from the store until it comes to the round in which it stopped:
nothing of what the stage holds in memory has to be written down. The artifact is written once, and whoever comes second
maps with the first one's, so that one run never has two.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from mycelium.errors import FitError, ObjectExistsError, ObjectNotFoundError
from mycelium.manifest import ObjectRef, Outcome, digest
from mycelium.progress import ShowsProgress, show_progress
from mycelium.reduce import PartTree, Reducer
from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import Task, TaskResult, decode_part, encode_part
from mycelium.tasks import Changed

FITS = "fits"
"""The prefix of what fits ask, are answered and find."""

MAX_ROUNDS = 10_000
"""A fit that asks more often than this asks for ever."""

RunTasks = Callable[[Sequence[Task]], Iterator[TaskResult]]
"""Runs tasks, wherever those of the run are run."""


def fit_key(run_id: str, name: str) -> str:
    """Return the key of an object of a run's fit, ``fits/gsm8k-0123456789ab/artifact.arrow``."""
    return f"{FITS}/{run_id}/{name}.arrow"


@dataclass(slots=True)
class Rounds:
    """The rounds of one run's fit.

    Attributes:
        store: where questions and sums are: the run's target.
        stage: whose fit it is.
        tasks: all of the run's, at least one, those found included.
        run_tasks: runs them.
        reducer: who reduces stored parts; None to do it here.
        quiet: show no progress.
        show: shows the progress.
        heard: is told of each round that was asked: its number, how many chunks failed, and how long it took.
        n_asked: rounds so far.
    """

    store: Store
    stage: Stage[Any]
    tasks: Sequence[Task]
    run_tasks: RunTasks
    reducer: Reducer | None = None
    quiet: bool = False
    show: ShowsProgress = show_progress
    heard: Callable[[int, int, float], None] = lambda _round, _failed, _wall_s: None
    n_asked: int = 0

    def find_artifact(self, params: Any) -> ObjectRef:  # noqa: ANN401 - the stage's own
        """Let the stage ask until it has its artifact, put that into the store, and return where it is.

        Args:
            params: the stage's parameters.

        Raises:
            FitError: a chunk could not answer; `FitError.outcomes` says which and why.
            MyceliumError: what the stage says of data that can't be fitted.
            StoreNotAvailableError: the store can't be used.
        """
        if self.stage.fit is None:
            raise TypeError(f"stage {self.stage.name} has no fit")
        artifact = self.stage.fit.find(self.ask, params)
        return put_artifact(self.store, self.tasks[0].run_id, encode_part(artifact))

    def ask(self, question: pa.Table) -> pa.Table:
        """Put a question to every chunk; see `mycelium.stage.Ask`.

        Raises:
            FitError: a chunk could not answer, or there were more than `MAX_ROUNDS`.
        """
        self.n_asked += 1
        if self.n_asked > MAX_ROUNDS:
            raise FitError(f"a fit ends within {MAX_ROUNDS:,} rounds; that of stage {self.stage.name} goes on")
        data, run_id = encode_part(question), self.tasks[0].run_id
        name = digest(data)[:16]
        sum_key = fit_key(run_id, f"sum-{name}")
        with contextlib.suppress(ObjectNotFoundError):
            return decode_part(self.store.get(sum_key))
        total = self._ask_all(_put(self.store, fit_key(run_id, f"question-{name}"), data))
        _put(self.store, sum_key, encode_part(total))
        return total

    def _ask_all(self, question: ObjectRef) -> pa.Table:
        tasks = Changed(self.tasks, lambda task: replace(task, found=False, broadcast=question, asks=True))
        tree = PartTree(self.stage, self.store, tasks[0].run_id, self.reducer, asks=True)
        failed: list[Outcome] = []
        started_s = time.monotonic()
        with self.show(f"{self.stage.name}, round {self.n_asked}", len(tasks), quiet=self.quiet) as progress:
            for result in self.run_tasks(tasks):
                if result.outcome.status == "failed":
                    failed.append(result.outcome)
                tree.take(result)
                progress.advance(failed=result.outcome.status == "failed")
        self.heard(self.n_asked, len(failed), time.monotonic() - started_s)
        total = None if failed else tree.finish()
        if total is None:
            raise FitError(
                f"a fit needs every chunk, and {len(failed)} of {len(tasks)} could not answer", tuple(failed)
            )
        return total


def put_artifact(store: Store, run_id: str, data: bytes) -> ObjectRef:
    """Give a run its artifact, unless it has one, and return where that is."""
    return _put(store, fit_key(run_id, "artifact"), data)


def look_for_artifact(store: Store, run_id: str) -> ObjectRef | None:
    """Return where a run's artifact is; None if it has none yet."""
    key = fit_key(run_id, "artifact")
    try:
        data = store.get(key)
    except ObjectNotFoundError:
        return None
    return ObjectRef(FITS, key, len(data), digest(data))


def _put(store: Store, key: str, data: bytes) -> ObjectRef:
    """Write an object once, and return the one that is there: another writer's, if that came first."""
    try:
        store.put(key, data, mode="create")
    except ObjectExistsError:
        data = store.get(key)
    return ObjectRef(FITS, key, len(data), digest(data))
