"""How long a stage's tasks took: what an estimate is made from, and nothing else is.

It is looked for in the store's earlier runs of the stage, the latest first; those with the same version and parameters
count alone where there are any. Where there are none, a probe makes some: a few chunks are done for real, and since
outputs are written once, they need not be done again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import msgspec

from coordinator.cost.actual import CLOUD, STEP_FUNCTIONS, find_architecture
from mycelium.errors import ObjectNotFoundError, UserInputError
from mycelium.manifest import PREFIX, Manifest, read_manifest
from mycelium.plan import Plan
from mycelium.stage import Stage
from mycelium.store import Store, open_store
from mycelium.task import Task, run_task
from mycelium.tasks import Tasks

T = TypeVar("T")

MAX_RUNS = 8
"""Runs of the past that are looked at: the latest tell most, and a store may have thousands."""

MAX_SAMPLES = 2000
"""Chunks of them that are kept: more would not make an estimate better, only slower."""

Unit = Literal["bytes", "problems"]
"""What the size of a chunk is counted in: the bytes of its inputs, whether all of them are read or a part; or its
problems, where the inputs are not made yet."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One chunk that was computed.

    Attributes:
        seconds: what it took; on Lambda, what was billed for all its attempts.
        size: how large it was, in the evidence's unit.
        run: the run that it was one of.
        cold: whether it was the first of its worker, which loads the stage for it; never on Lambda, where that is a
            part of what each task of a large run is billed.
    """

    seconds: float
    size: float
    run: str
    cold: bool = False


@dataclass(frozen=True, slots=True)
class RunTime:
    """How long a whole run was.

    Attributes:
        wall_s: seconds that passed.
        task_s: seconds of its tasks together.
        n_tasks: how many they were.
    """

    wall_s: float
    task_s: float
    n_tasks: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of how long a stage's tasks take.

    Attributes:
        samples: chunks that were computed.
        is_lambda: whether they ran on Lambda, and not on a machine of one's own.
        source: where this comes from, in words.
        runs: how long the runs were that they were of; none of a probe.
    """

    samples: tuple[Sample, ...]
    is_lambda: bool
    source: str
    runs: tuple[RunTime, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """The earlier runs of a stage that count.

    Attributes:
        manifests: theirs, the latest first.
        alike: whether they had the same version and parameters.
        sizes: bytes of the inputs by chunk id, in the order of the manifests; empty where they can't be known.
    """

    manifests: tuple[Manifest, ...]
    alike: bool
    sizes: tuple[Mapping[str, int], ...]

    @property
    def architecture(self) -> str | None:
        """The processor of the stage's functions in the latest of them that says it."""
        return next(filter(None, map(find_architecture, self.manifests)), None)

    def find_evidence(self, *, on_lambda: bool, unit: Unit = "bytes") -> Evidence | None:
        """Return what these runs tell of tasks on Lambda, or on this machine; None if nothing.

        What ran elsewhere counts where nothing ran there: `Evidence.is_lambda` says which it is.
        """
        for is_lambda in (on_lambda, not on_lambda):
            pairs = zip(self.manifests, self.sizes, strict=True)
            found = [s for m, sizes in pairs for s in _take_samples(m, sizes, unit, is_lambda=is_lambda)]
            warm = [sample for sample in found if not sample.cold]
            samples = (*(sample for sample in found if sample.cold), *_thin(warm))
            if samples:
                n_runs = len({sample.run for sample in samples})
                where = "on Lambda" if is_lambda else "on this machine"
                how = "" if self.alike else ", with other parameters or code"
                chunks = f"{len(samples)} chunk{'s' if len(samples) > 1 else ''}"
                source = f"{chunks} of {n_runs} earlier run{'s' if n_runs > 1 else ''} {where}{how}"
                runs = tuple(_time_run(m) for m in self.manifests if _ran(m, is_lambda=is_lambda) and _has_samples(m))
                return Evidence(samples, is_lambda, source, runs)
        return None


def read_history(
    store: Store,
    stage: Stage[Any],
    params: Any,  # noqa: ANN401 - the stage's own
    source: Store | None = None,
) -> History:
    """Read the latest runs of a stage.

    Args:
        store: where to look.
        stage: the stage.
        params: the parameters that it is to run with.
        source: where the runs are that these read, often the same; None where the sizes of chunks don't matter.
    """
    prefix = f"{PREFIX}{stage.writes[-1].name}/"
    infos = sorted(store.list(prefix), key=lambda info: (info.modified_s, info.key), reverse=True)
    names = [info.key.removeprefix(prefix).removesuffix(".json") for info in infos if info.key.endswith(".json")]
    runs = [name for name in names if "/" not in name][:MAX_RUNS]
    read = [read_manifest(store, stage.writes[-1].name, run) for run in runs]
    manifests = tuple(manifest for manifest in read if manifest.stage == stage.name)
    plain = msgspec.to_builtins(params)
    alike = tuple(m for m in manifests if m.stage_version == stage.version and m.params == plain and _has_samples(m))
    counted = alike or manifests
    cache: dict[str, Manifest | None] = {}
    sizes = tuple({} if source is None else _size_inputs(source, manifest, cache) for manifest in counted)
    return History(counted, bool(alike), sizes)


def _size_inputs(source: Store, manifest: Manifest, cache: dict[str, Manifest | None]) -> dict[str, int]:
    """Return the bytes of a run's inputs by chunk id; of a run whose inputs are gone, what it read of each."""
    sizes: dict[str, int] = {}
    for name in manifest.inputs:
        dataset, _, run_id = name.rpartition("/")
        if name not in cache:
            try:
                cache[name] = read_manifest(source, dataset, run_id)
            except ObjectNotFoundError:
                cache[name] = None
        inputs = cache[name]
        if inputs is None:
            return {outcome.chunk_id: outcome.bytes_read for outcome in manifest.outcomes}
        for chunk_id, ref in inputs.chunks(dataset).items():
            sizes[chunk_id] = sizes.get(chunk_id, 0) + ref.size
    return sizes


def _has_samples(manifest: Manifest) -> bool:
    return any(outcome.status == "done" for outcome in manifest.outcomes)


def _take_samples(manifest: Manifest, sizes: Mapping[str, int], unit: Unit, *, is_lambda: bool) -> Iterator[Sample]:
    """Yield the chunks that were computed: those found say nothing, and those that failed may have failed early."""
    if not _ran(manifest, is_lambda=is_lambda):
        return
    done = [outcome for outcome in manifest.outcomes if outcome.status == "done"]
    first_end_s = min((outcome.started_s + outcome.wall_s for outcome in done), default=0.0)
    # Before any was done, each had a worker to start; where all were first, none of them tells what others would take.
    any_later = not is_lambda and any(outcome.started_s >= first_end_s for outcome in done)
    for outcome in done:
        size = sizes.get(outcome.chunk_id, 0) if unit == "bytes" else outcome.n_problems
        seconds = outcome.billed_ms / 1000 if is_lambda else outcome.wall_s
        if size and seconds > 0:
            yield Sample(seconds, size, manifest.run_id, any_later and outcome.started_s < first_end_s)


def _ran(manifest: Manifest, *, is_lambda: bool) -> bool:
    """Whether a run was on Lambda, or on this machine; a state machine's says nothing of its tasks."""
    return (manifest.executor in CLOUD) is is_lambda and manifest.executor != STEP_FUNCTIONS


def _time_run(manifest: Manifest) -> RunTime:
    ran = [outcome.wall_s for outcome in manifest.outcomes if outcome.status != "found"]
    return RunTime(manifest.wall_s, sum(ran), len(ran))


def _thin(samples: list[Sample]) -> list[Sample]:
    return samples[:: -(-len(samples) // MAX_SAMPLES)] if samples else samples


def probe(plan: Plan, target: Store, n_tasks: int, tell: Callable[[str], None]) -> tuple[Plan, Evidence]:
    """Do a few of a plan's missing chunks, here and for real, spread over their sizes.

    Args:
        plan: what is to be done.
        target: where its outputs go.
        n_tasks: how many chunks to do.
        tell: hears of each that fails.

    Returns:
        The plan, in which those chunks are there, and how long they took.

    Raises:
        UserInputError: the stage has a fit, which asks all chunks first; or none of the chunks could be done.
    """
    if plan.stage.fit is not None:
        raise UserInputError(f"--probe: stage {plan.stage.name} has a fit, which asks every chunk before it maps one")
    missing = sorted((size_task(task), number) for number, task in enumerate(plan.tasks) if not task.found)
    chosen = [(plan.tasks[number], number) for _, number in _spread(missing, n_tasks)]
    source = open_store(plan.source_uri)
    outcomes = [run_task(task, plan.stage, plan.params, source, target).outcome for task, _ in chosen]
    for outcome in outcomes:
        if outcome.status == "failed":
            tell(f"probe: chunk {outcome.chunk_id} failed: {outcome.error}")
    done = {outcome.chunk_id: outcome for outcome in outcomes if outcome.status != "failed"}
    if chosen and not done:
        raise UserInputError(f"--probe: none of {len(chosen)} chunks could be done; the first: {outcomes[0].error}")
    tasks = _finding(plan.tasks, [number for task, number in chosen if task.chunk_id in done])
    samples = tuple(
        # The first of several loads what the others find loaded.
        Sample(done[task.chunk_id].wall_s, size_task(task), plan.run_id, cold=len(chosen) > 2 and task is chosen[0][0])
        for task, _ in chosen
        if task.chunk_id in done and done[task.chunk_id].status == "done"
    )
    n_done = len(samples)
    words = f"a probe of {n_done} chunk{'s' if n_done != 1 else ''} on this machine, which are done now"
    return replace(plan, tasks=tasks), Evidence(samples, is_lambda=False, source=words)


def size_task(task: Task) -> int:
    """Return how many bytes a task's inputs have."""
    return sum(ref.size for ref in task.inputs)


def _finding(tasks: Sequence[Task], numbers: list[int]) -> Sequence[Task]:
    if isinstance(tasks, Tasks):
        return tasks.finding(numbers)
    return tuple(replace(task, found=task.found or number in numbers) for number, task in enumerate(tasks))


def _spread(tasks: Sequence[T], n: int) -> list[T]:
    """Return so many of the tasks, from the middle of equal stretches of them."""
    n = min(n, len(tasks))
    return [tasks[(2 * i + 1) * len(tasks) // (2 * n)] for i in range(n)]
