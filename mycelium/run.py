"""Runs: what a plan says is done, and the record of what became of it."""

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import Protocol

import msgspec
import pyarrow as pa

from mycelium.errors import FitError
from mycelium.events import End, Observer
from mycelium.failures import FailureCount, FailurePolicy
from mycelium.fit import Rounds, look_for_artifact, put_artifact
from mycelium.manifest import IN_ONE, Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.outcome import count_written
from mycelium.packed import Packed
from mycelium.plan import Plan, read_finished
from mycelium.progress import Progress, ShowsProgress, show_progress
from mycelium.reduce import PartTree, Reducer
from mycelium.schema import Header, Result, Row, chunk_key, encode_chunk
from mycelium.store import Store, open_store
from mycelium.task import Task, TaskResult, decode_part, describe_error
from mycelium.tasks import Changed, choose_found
from mycelium.version import code_version

GATHERED_CHUNK = "00000"
"""The one chunk of a dataset that a stage makes of its last part."""


class Executor(Protocol):
    """Runs the tasks of one run, in any order, and says what became of each as soon as it is known."""

    @property
    def name(self) -> str:
        """The executor's name on the command line."""
        ...

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """Run tasks of one stage and one set of parameters.

        Every task yields one result, in the order of completion. Whatever happens to one task, the others are run.

        Args:
            tasks: what to run.
            source_uri: the store that every task reads.
            target_uri: the store that every task writes.

        Raises:
            StoreNotAvailableError: the store can't be used.
        """
        ...


class Watch(Protocol):
    """Looks at how a run goes, beside its chunks: what a device does with its time, say."""

    def notes(self) -> Row:
        """Return counts for the manifest."""
        ...

    def describe(self) -> str:
        """Return how it stands, in a few words, for the progress."""
        ...


class Allowance(Protocol):
    """Says how many tasks may be started: a limit on what a run may cost, say."""

    def take(self, outcome: Outcome) -> None:
        """Learn what became of a task."""
        ...

    def allow(self, n_waiting: int) -> int:
        """Return how many of the tasks that wait may be started now, while none is under way; 0 ends the run."""
        ...

    def describe(self) -> str:
        """Return why no more may be started, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Until:
    """What ends a run before all its chunks were tried.

    Attributes:
        policy: how much failure it bears.
        stop: set by whoever hears of Ctrl-C, where the run is in another thread, which does not; the run then ends
            after the chunk in hand. None where it hears by itself.
        allowance: how many tasks may be started together; None for all. Those that were started end before others are,
            so that a run that it ends leaves nothing in flight.
    """

    policy: FailurePolicy = field(default_factory=FailurePolicy)
    stop: threading.Event | None = None
    allowance: Allowance | None = None

    def heed(self) -> None:
        """Raise `KeyboardInterrupt` if the run is to stop."""
        if self.stop is not None and self.stop.is_set():
            raise KeyboardInterrupt


NEVER = Until()


def run_plan(  # noqa: PLR0913 - all but three by name, each of another kind
    store: Store,
    plan: Plan,
    executor: Executor,
    *,
    reducer: Reducer | None = None,
    quiet: bool = False,
    show: ShowsProgress = show_progress,
    until: Until = NEVER,
    watch: Watch | None = None,
    observer: Observer | None = None,
) -> Manifest:
    """Do what a plan says, and write the manifest.

    A run that is complete is not done again. A run that is interrupted leaves the chunks that were done and a manifest
    that says so; the same plan carries on from there.

    Args:
        store: the target that the plan was made for.
        plan: what to do.
        executor: where to do it.
        reducer: where parts that lie in the store are reduced; None for here.
        quiet: show no progress.
        show: shows the progress.
        until: what ends the run before its time; a run that gives up says why in its manifest's notes.
        watch: what else is to be known of the run.
        observer: tells what happens, and under which trace id.

    Raises:
        StoreNotAvailableError: the store can't be used.
        MyceliumError: what a stage's fit says of data that can't be fitted.
        KeyboardInterrupt: Ctrl-C, here or in the thread that gave `until`, after the manifest was written.
    """
    observer = observer or Observer()
    quiet = quiet or observer.owns_terminal  # one of the two may draw there
    observer.started(plan, executor.name)
    before = read_finished(store, plan)
    if before is not None:
        observer.was_finished(plan)
        return before
    return _Running(store, plan, executor, reducer, show, until, watch, quiet, observer).run()


class _NotAllowedError(Exception):
    """A round of a fit, which asks every chunk, is more than the allowance has left."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What a fit has found: where its artifact is, and what it concluded."""

    ref: ObjectRef | None = None
    result: Result = field(default_factory=dict)


@dataclass(slots=True)
class _Running:
    """A run under way: what `run_plan` was given, and what became of the chunks so far."""

    store: Store
    plan: Plan
    executor: Executor
    reducer: Reducer | None
    show: ShowsProgress
    until: Until
    watch: Watch | None
    quiet: bool
    observer: Observer
    outcomes: Packed[Outcome] = field(default_factory=lambda: Packed(Outcome, order=attrgetter("chunk_id")))
    fitted: _Fitted = field(default_factory=_Fitted)
    asked: Counter[str] = field(default_factory=Counter)
    held_back: str | None = None
    started_s: float = field(default_factory=time.monotonic)

    def run(self) -> Manifest:
        for outcome in self.plan.lost:
            self._take(outcome)
        try:
            manifest = self._run()
        except KeyboardInterrupt:
            self._tell_end("interrupted")
            raise
        except Exception as error:
            self._tell_end("error", describe_error(error))
            raise
        stopped = str(manifest.notes.get("stopped", ""))
        self._tell_end("done" if manifest.complete else "gave-up" if stopped else "failed", stopped)
        return manifest

    def _tell_end(self, end: End, reason: str = "") -> None:
        self.observer.finished(self.plan, self.outcomes, time.monotonic() - self.started_s, end, reason)

    def _run(self) -> Manifest:
        plan, tree = self.plan, PartTree(self.plan.stage, self.store, self.plan.run_id, self.reducer)
        try:
            self.fitted = self._fit()
            stopped = self._map(tree)
        except _NotAllowedError as error:
            return self._finish({}, stopped=str(error))
        except FitError as error:
            for outcome in error.outcomes:
                if isinstance(outcome, Outcome):
                    self._take(outcome)
            if not self.outcomes:
                raise
            return self._finish({})
        except KeyboardInterrupt:
            self._finish({})
            raise
        if stopped is not None:
            return self._finish({}, stopped=stopped)
        total = tree.finish()
        if total is None:
            return self._finish({})
        result = self.fitted.result | plan.stage.conclude(total, plan.params)
        return self._finish(result, _gather(self.store, plan, total))

    def _fit(self) -> _Fitted:
        """Find the artifact of a run whose stage has a fit: there already, another run's, or by asking every chunk.

        Raises:
            FitError: not every chunk can be asked.
        """
        store, plan, fit = self.store, self.plan, self.plan.stage.fit
        if fit is None or not plan.tasks:
            return _Fitted()
        ref = look_for_artifact(store, plan.run_id)
        if ref is None and plan.fit is not None:
            ref = put_artifact(store, plan.run_id, open_store(plan.source_uri).get(plan.fit.key))
        if ref is None:
            if plan.lost:
                raise FitError(f"a fit needs every chunk, and {len(plan.lost)} of {plan.n_chunks} are lost")
            heard = partial(self.observer.asked, plan)
            rounds = Rounds(store, plan.stage, plan.tasks, self._ask, self.reducer, self.quiet, self.show, heard)
            ref = rounds.find_artifact(plan.params)
        return _Fitted(ref, fit.conclude(decode_part(store.get(ref.key)), plan.params))

    def _ask(self, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        """Run the tasks of a round, all of them or none."""
        allowance = self.until.allowance
        if allowance is not None and allowance.allow(len(tasks)) < len(tasks):
            raise _NotAllowedError(allowance.describe())
        for result in self._run_tasks(tasks):
            self.asked.update(fit_attempts=result.outcome.attempts, fit_billed_ms=result.outcome.billed_ms)
            yield result

    def _map(self, tree: PartTree) -> str | None:
        """Run the tasks; return why the run is to end before its time, or None."""
        plan = self.plan
        tasks = plan.tasks
        if self.fitted.ref is not None:
            given = self.fitted.ref
            tasks = Changed(tasks, lambda task: task if task.found else replace(task, broadcast=given))
        failures = FailureCount(self.until.policy, plan.n_chunks)
        with self.show(plan.stage.name, len(tasks) + len(plan.lost), quiet=self.quiet) as progress:
            progress.failures.update(outcome.error_kind or "?" for outcome in plan.lost)
            progress.advance(len(plan.lost), failed=True)
            progress.traffic = self.observer.traffic
            for result in self._run_allowed(tasks):
                self._take(result.outcome)
                tree.take(result)
                progress.note = "" if self.watch is None else self.watch.describe()
                self._show(progress, result.outcome)
                stopped = failures.add(result.outcome)
                if stopped is not None:
                    return stopped
        return self.held_back

    def _run_allowed(self, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        """Run all tasks together; under an allowance those found first, and of the others as many as it allows."""
        allowance = self.until.allowance
        if allowance is None:
            yield from self._run_tasks(tasks)
            return
        yield from self._run_tasks(choose_found(tasks, found=True))
        waiting = choose_found(tasks, found=False)
        while waiting and (n := allowance.allow(len(waiting))):
            yield from self._run_tasks(waiting[:n])
            waiting = waiting[n:]
        self.held_back = allowance.describe() if waiting else None

    def _take(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.observer.ended(self.plan, outcome)

    def _show(self, progress: Progress, outcome: Outcome) -> None:
        progress.bytes += outcome.bytes_read + count_written(outcome)
        if outcome.status == "failed":
            progress.failures[outcome.error_kind or "?"] += 1
        usd = None if self.observer.price is None else self.observer.price(outcome)
        if usd is not None:
            progress.usd = (progress.usd or 0.0) + usd
        progress.advance(count=outcome.n_problems, failed=outcome.status == "failed")

    def _run_tasks(self, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        with _closing(self.executor.run(tasks, self.plan.source_uri, self.store.uri)) as results:
            for result in results:
                if self.until.allowance is not None:
                    self.until.allowance.take(result.outcome)
                yield result
                self.until.heed()

    def _finish(self, result: Result, gathered: tuple[ObjectRef, ...] = (), stopped: str | None = None) -> Manifest:
        plan = self.plan
        in_order = self.outcomes.in_order()
        outcomes = tuple(in_order) if len(self.outcomes) <= IN_ONE else Packed(Outcome, in_order)
        manifest = Manifest(
            run_id=plan.run_id,
            provenance=plan.provenance,
            stage=plan.stage.name,
            stage_version=plan.stage.version,
            params=msgspec.to_builtins(plan.params),
            commit=_running_version(),
            executor=self.executor.name,
            inputs=plan.inputs,
            finished_s=time.time(),
            wall_s=time.monotonic() - self.started_s,
            complete=sum(outcome.status != "failed" for outcome in outcomes) == plan.n_chunks,
            n_chunks=plan.n_chunks,
            outcomes=outcomes,
            result=result,
            notes=({} if self.watch is None else self.watch.notes())
            | (dict(self.asked) if self.asked["fit_billed_ms"] else {})  # of its tasks there are no outcomes
            | ({"stopped": stopped} if stopped else {}),
            gathered=gathered,
            fit=self.fitted.ref,
            trace_id=self.observer.trace_id,
        )
        return write_manifest(self.store, manifest, plan.stage.writes)


@contextlib.contextmanager
def _closing(results: Iterator[TaskResult]) -> Iterator[Iterator[TaskResult]]:
    """Let an executor that is left before its end let go of what it holds: workers, connections."""
    try:
        yield results
    finally:
        if isinstance(results, Generator):
            results.close()


def _gather(store: Store, plan: Plan, total: pa.Table) -> tuple[ObjectRef, ...]:
    """Write what a stage makes of its last part, if it makes something; a run that is taken up again writes it anew."""
    stage = plan.stage
    if stage.gathers is None or stage.gather is None:
        return ()
    header = Header(
        dataset=stage.gathers.name,
        version=stage.gathers.version,
        chunk_id=GATHERED_CHUNK,
        provenance=plan.provenance,
        stage=f"{stage.name} v{stage.version}",
        params=msgspec.to_builtins(plan.params),
        n_input=total.num_rows,
    )
    data = encode_chunk(stage.gathers, stage.gather(total, plan.params), header)
    key = chunk_key(stage.gathers, plan.run_id, GATHERED_CHUNK)
    store.put(key, data, mode="overwrite")
    return (ObjectRef(stage.gathers.name, key, len(data), digest(data)),)


@functools.cache
def _running_version() -> str:
    """Return the version of the code as it was when this process first asked: git takes longer than a hundred tasks."""
    return code_version()
