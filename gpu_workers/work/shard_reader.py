"""One job as one machine does it: the teacher loaded, the run known, and shard after shard read.

A shard's chunks are those that begin in its range. What is in the store already, whoever wrote it, is skipped; so a
shard half done by a dead worker costs no more than its other half.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from gpu_workers.extract import ExtractParams, make_reader, make_stage, tidy_params
from gpu_workers.loading import choose_dtype
from gpu_workers.pipeline import Desk, PipelineExecutor
from gpu_workers.spool import SpoolStore
from gpu_workers.teacher import Teacher, load_teacher
from gpu_workers.work.model_cache import fetch_model
from mycelium.datasets import PROBLEMS
from mycelium.errors import BadSignalError, ConflictError, UserInputError
from mycelium.fleet.chunks import chunks_between, first_problems, written_chunks
from mycelium.fleet.records import MAX_TRIES, Claim, Job, ShardCall, claim_run, outcome_key, put_record
from mycelium.manifest import Manifest, Outcome, find_run
from mycelium.plan import Plan, plan_run
from mycelium.schema import Row
from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import Task, run_task

OnChunk = Callable[[str, str, str], None]
"""Told a chunk, its first problem and its last, before they are read; from any thread."""

OnDone = Callable[[Outcome], None]
"""Told what became of a chunk that was read."""

Confirm = Callable[[Sequence[str], float], frozenset[str]]
"""Waits, for so many seconds at most, until the store holds some objects, and returns those that it does not yet."""

IN_HAND_S = 30.0
"""Chunks go to the device a few at a time, so that it need not wait between them: so many as it reads in this time."""

MAX_IN_HAND = 8
"""Chunks at a time, at most."""

DRAIN_S = 75.0
"""How long a worker that was told to stop waits for what it wrote to be confirmed; a spot notice leaves two minutes."""


LOOK_EVERY_S = 1.0
"""How often a worker that waits for the store looks whether it is to stop."""


def confirmed_at_once(keys: Sequence[str], timeout_s: float) -> frozenset[str]:
    """Where there is no spool, an object that was put is in the store."""
    del keys, timeout_s
    return frozenset()


@dataclass(slots=True)
class ShardEnd:
    """How a shard ended.

    Attributes:
        is_complete: whether the store holds every chunk of it.
        errors: of each chunk that failed, its id and what went wrong, in one line.
    """

    is_complete: bool = False
    errors: dict[str, str] = field(default_factory=dict)


class ShardReader:
    """Reads shards of one job."""

    def __init__(
        self,
        store: Store,
        job: Job,
        teacher: Teacher,
        batch_tokens: int | None = None,
        *,
        target: Store | None = None,
        confirm: Confirm = confirmed_at_once,
    ) -> None:
        """Plan the run that a job is, and claim it.

        Args:
            store: where the problems are, and where every chunk is in the end.
            job: what is to be done.
            teacher: who reads.
            batch_tokens: tokens in one forward pass, with padding; None for what `extract` would take.
            target: where chunks are written: the spool before the store; the store itself if not given.
            confirm: waits until the store holds what was written.

        Raises:
            UserInputError: the job is under way with another teacher, or has parameters that the stage has not.
            UnknownRunError: its problems are not in the store.
        """
        self.job, self._store, self._target, self._confirm = job, store, target or store, confirm
        self._params = choose_params(job.params, teacher)
        self._teacher, self._device = teacher, make_reader(teacher, self._params, batch_tokens)
        self._stage = make_stage(teacher, self._params, self._device.read_all)
        self._problems: Manifest = find_run(store, job.problems, PROBLEMS.name)
        self._plan: Plan = plan_run(store, store, self._stage, self._params, [self._problems], teacher.identity)
        self._tasks = {task.chunk_id: replace(task, found=False) for task in self._plan.tasks}
        self._chunk_at = {first: chunk_id for chunk_id, (first, _) in first_problems(self._problems).items()}
        self._unsettled: dict[str, Outcome] = {}
        self.claim = claim_run(store, job.name, make_claim(self._plan, self._problems))

    def read(
        self, call: ShardCall, tries: int, is_over: Callable[[], bool], on_chunk: OnChunk, on_done: OnDone
    ) -> ShardEnd:
        """Read what is missing of a shard.

        Args:
            call: the shard.
            tries: how often it was tried, this time included. On the last try each problem of a chunk is first read by
                itself, so that if it kills this process as well, what was said last names it.
            is_over: asked between chunks whether to stop.
            on_chunk: told what is read next.
            on_done: told what was read.

        Returns:
            How it ended; not complete and without errors if it was stopped.

        Raises:
            StoreNotAvailableError: the store can't be used.
        """
        wanted = chunks_between(self._problems, call.start, call.end)
        there = written_chunks(self._store, self.claim.run_id, self.claim.datasets)
        # What a killed worker left in this machine's spool need not be read again.
        waiting = written_chunks(self._target, self.claim.run_id, self.claim.datasets) - there
        end = ShardEnd(errors={lost.chunk_id: str(lost.error) for lost in self._plan.lost if lost.chunk_id in wanted})
        tasks = [
            replace(self._tasks[chunk_id], found=chunk_id in waiting)
            for chunk_id in wanted
            if chunk_id not in there and chunk_id not in end.errors
        ]
        read_tasks = self._read_slowly if tries >= MAX_TRIES else self._read_together
        for outcome in read_tasks(tasks, is_over, on_chunk):
            if outcome.status == "failed":
                end.errors[outcome.chunk_id] = f"{outcome.error_kind}: {outcome.error}"
                continue
            self._unsettled[outcome.chunk_id] = outcome
            on_done(outcome)
            self._settle(end, 0.0)
        self._drain(end, is_over)
        there = written_chunks(self._store, self.claim.run_id, self.claim.datasets)
        end.is_complete = there.issuperset(wanted)
        return end

    def _drain(self, end: ShardEnd, is_over: Callable[[], bool]) -> None:
        """Wait until the store holds all that was written; not for ever once it is time to stop."""
        until: float | None = None
        while self._unsettled:
            if until is None and is_over():
                until = time.monotonic() + DRAIN_S
            self._settle(end, LOOK_EVERY_S)
            if until is not None and time.monotonic() >= until:
                return

    def _settle(self, end: ShardEnd, timeout_s: float) -> None:
        """Write down what became of each chunk that the store holds by now; the merge reads it."""
        until = time.monotonic() + timeout_s
        for chunk_id, outcome in list(self._unsettled.items()):
            left_s = max(0.0, until - time.monotonic())
            try:
                if self._confirm([ref.key for ref in outcome.outputs], left_s):
                    continue
                settled = outcome
            except ConflictError:
                # Another worker's chunk came first. It is as good as ours, and the record must be of its bytes.
                task = replace(self._tasks[chunk_id], found=True)
                settled = run_task(task, self._stage, self._params, self._store, self._store).outcome
            del self._unsettled[chunk_id]
            if settled.status == "failed":
                end.errors[chunk_id] = f"{settled.error_kind}: {settled.error}"
            else:
                put_record(self._store, outcome_key(self.claim.run_id, chunk_id), settled)

    def _read_together(
        self, tasks: Sequence[Task], is_over: Callable[[], bool], on_chunk: OnChunk
    ) -> Iterator[Outcome]:
        """Read chunks a few at a time, the device at one while the next is fetched and the last one written.

        Each chunk's problems are put into batches by themselves: so its bytes do not depend on which shard it is in.
        """
        left, n_next = list(tasks), 1
        stores = {"source": self._store, "target": self._target}
        while left and not is_over():
            in_hand, left = left[:n_next], left[n_next:]
            desk, started_s = Desk(), time.monotonic()
            stage = self._saying(make_stage(self._teacher, self._params, desk.read), on_chunk)
            executor = PipelineExecutor(stage, desk, self._device, stores.__getitem__, window=1)
            for result in executor.run(in_hand, "source", "target"):
                yield result.outcome
            per_chunk_s = (time.monotonic() - started_s) / len(in_hand)
            n_next = max(1, min(MAX_IN_HAND, int(IN_HAND_S / max(per_chunk_s, 1e-3))))

    def _read_slowly(self, tasks: Sequence[Task], is_over: Callable[[], bool], on_chunk: OnChunk) -> Iterator[Outcome]:
        """Read one chunk after another, and of each first every problem by itself, having said which."""
        for task in tasks:
            if is_over():
                return
            stage = self._saying(self._stage, on_chunk, single=True)
            yield run_task(task, stage, self._params, self._store, self._target).outcome

    def _saying(self, stage: Stage[ExtractParams], on_chunk: OnChunk, *, single: bool = False) -> Stage[ExtractParams]:
        """Return a stage with a map that says first what it is going to read."""

        def say_and_map(tables: Sequence[pa.Table], params: ExtractParams) -> Sequence[pa.Table]:
            ids = tables[0]["problem_id"].to_pylist()
            chunk_id = self._chunk_at[tables[0]["index"][0].as_py()] if ids else ""
            for i, problem_id in enumerate(ids if single else ()):
                on_chunk(chunk_id, ids[0], problem_id)
                with contextlib.suppress(BadSignalError):  # as the chunk's only problem it would be the chunk's failure
                    stage.map([tables[0].slice(i, 1), *tables[1:]], params)
            if ids:
                on_chunk(chunk_id, ids[0], ids[-1])
            return stage.map(tables, params)

        return replace(stage, map=say_and_map)


def open_reader(
    store: Store, spooled: SpoolStore | None, job: Job, *, cache: Path, device: str | None, batch_tokens: int | None
) -> ShardReader:
    """Load the teacher that a job names, and be ready to read its shards, into a spool if there is one."""
    dtype = job.params.get("dtype")
    teacher = load_teacher(fetch_model(job.model, cache), device=device, dtype=None if dtype is None else str(dtype))
    if spooled is None:
        return ShardReader(store, job, teacher, batch_tokens)

    def confirm(keys: Sequence[str], timeout_s: float) -> frozenset[str]:
        return spooled.wait_confirmed(keys, timeout_s)

    return ShardReader(store, job, teacher, batch_tokens, target=spooled, confirm=confirm)


def choose_params(given: Row, teacher: Teacher) -> ExtractParams:
    """Return the stage's parameters: those of a job, and for the rest what `extract` would choose.

    Raises:
        UserInputError: there is no such parameter, or its value is of another type.
    """
    names = [field.name for field in dataclasses.fields(ExtractParams)]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise UserInputError(f"stage extract has no parameter {unknown[0]}; it has {', '.join(names)}")
    chosen: dict[str, Any] = {"dtype": choose_dtype(teacher.device_type)} | given
    try:
        return tidy_params(msgspec.convert(chosen, ExtractParams), teacher)
    except msgspec.ValidationError as error:
        raise UserInputError(f"a parameter of the job can't be used: {error}") from None


def make_claim(plan: Plan, problems: Manifest) -> Claim:
    """Return what a plan comes to, in the words of its chunks' headers."""
    stage = plan.stage
    return Claim(
        run_id=plan.run_id,
        provenance=plan.provenance,
        stage=f"{stage.name} v{stage.version}",
        params=msgspec.to_builtins(plan.params),
        datasets=tuple(dataset.name for dataset in stage.writes),
        problems=problems.run_id,
    )
