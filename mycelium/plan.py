"""Plans: which chunks a run has to compute.

The identity of a run is the hash of everything that decides its output: stage, version, parameters, teacher, and the
SHA-256 of every input chunk. Its outputs live under that identity, and the output object of a chunk is the chunk's
completion mark. So planning is two listings, inputs and outputs, and their difference; whoever starts the same
command again does only what is missing, and whatever else changes starts a new run beside the old one.

Everything goes by in the order of the chunks' ids: the outcomes of the inputs, and both listings. What is kept of a
chunk is packed. So a plan of a million chunks takes some 200 MB.
"""

import contextlib
import gc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import msgspec

from mycelium.errors import ObjectNotFoundError, WrongDatasetError
from mycelium.identity import Identity
from mycelium.lookup import Lookup
from mycelium.manifest import Manifest, ObjectRef, Outcome, read_manifest
from mycelium.packed import Packed
from mycelium.schema import Dataset, Provenance, Row, chunk_key
from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import Task
from mycelium.tasks import TaskInputs, Tasks

_TOGETHER = 10_000
"""Chunks that are looked for together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    Attributes:
        run_id: the run.
        stage: the stage that runs.
        params: its parameters, as its own dataclass.
        source_uri: the store that is read.
        inputs: the runs read, as ``dataset/run id``.
        provenance: what the outputs say they come from.
        tasks: one for each chunk that can be computed, those found included, by chunk id.
        n_chunks: chunks of the input.
        lost: the chunks whose input is gone or has another size than its manifest says.
        fit: the artifact of another run, with which this one maps; None where it finds its own, or needs none.
    """

    run_id: str
    stage: Stage[Any]
    params: Any
    source_uri: str
    inputs: tuple[str, ...]
    provenance: Provenance
    tasks: Sequence[Task]
    lost: tuple[Outcome, ...]
    n_chunks: int
    fit: ObjectRef | None = None

    @property
    def n_found(self) -> int:
        """Chunks whose output is there already."""
        return self.tasks.n_found if isinstance(self.tasks, Tasks) else sum(task.found for task in self.tasks)


@contextlib.contextmanager
def _no_cycles_sought() -> Iterator[None]:
    """Let Python's collector of cycles rest: a plan makes none, and looking for them is a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_no_cycles_sought()
def plan_run(
    source: Store,
    target: Store,
    stage: Stage[Any],
    params: Any,  # noqa: ANN401 - the stage's own
    inputs: Sequence[Manifest],
    teacher: str | None = None,
    fit: ObjectRef | None = None,
) -> Plan:
    """Plan a run: list what is to be read and what is written already.

    Args:
        source: where the inputs are.
        target: where the outputs go; often the same.
        stage: the stage to run.
        params: its parameters; what the stage settles of them by its inputs is settled here.
        inputs: the manifests of the runs to read, in the order of the stage's inputs with these parameters.
        teacher: for the stage that brings the teacher in, who that is.
        fit: the artifact of another run of the stage, in the source, to map with; None to find one.

    Raises:
        WrongDatasetError: an input run holds no chunks of the dataset read, or the inputs are of different origin.
    """
    read = tuple(zip(inputs, stage.inputs(params), strict=True))
    for manifest, dataset in read:
        if not any(manifest.chunk_pages(dataset.name)):
            raise WrongDatasetError(
                f"stage {stage.name} reads dataset {dataset.name}, and run {manifest.run_id} of {manifest.stage} "
                f"({manifest.provenance.origin}) holds none of its chunks"
            )
    if stage.settle is not None:
        params = stage.settle(params, {dataset.name: manifest.result for manifest, dataset in read})
    reads_of = _join_provenance(inputs)
    untaught = tuple(dataset.name for manifest, dataset in read if manifest.provenance != reads_of)
    writes_of = replace(reads_of, teacher=teacher) if teacher else reads_of
    plain_params: Row = msgspec.to_builtins(params)
    identity = Identity(stage, plain_params, writes_of, fit)
    chunks, chunk_ids, is_whole = Packed(TaskInputs), list[str](), True
    for some in _join_chunks(source, read, stage.optional):
        chunks.extend(some)
        chunk_ids += [chunk.chunk_id for chunk in some]
        identity.add([(chunk.chunk_id, chunk.inputs) for chunk in some if chunk.inputs])
        is_whole = is_whole and not any(chunk.lost for chunk in some)
    run_id = f"{reads_of.name}-{identity.digits()}"
    found = _find_written(target, stage.writes[-1], run_id, chunk_ids, read[0][0].cuts)
    n_chunks, lost = len(chunks), [] if is_whole else _list_lost(chunks, found)
    if lost:
        left_out = {outcome.chunk_id for outcome in lost}
        kept = [chunk.chunk_id not in left_out for chunk in chunks]
        chunks, found = Packed(TaskInputs, compress(chunks, kept)), bytes(compress(found, kept))
    like = Task("", run_id, stage.name, plain_params, (), reads_of, writes_of, untaught=untaught)
    names = tuple(f"{dataset.name}/{manifest.run_id}" for manifest, dataset in read)
    return Plan(
        run_id, stage, params, source.uri, names, writes_of, Tasks(like, chunks, found), tuple(lost), n_chunks, fit
    )


def _join_provenance(inputs: Sequence[Manifest]) -> Provenance:
    """Return where several runs come from: one name, one origin, and at most one teacher.

    What was made before a teacher came in, such as the problems, goes with any teacher.
    """
    of = [manifest.provenance for manifest in inputs]
    joined = next((provenance for provenance in of if provenance.teacher is not None), of[0])
    for provenance in of:
        if provenance not in {joined, replace(joined, teacher=None)}:
            raise WrongDatasetError(f"inputs of one run come from one place; got {joined} and {provenance}")
    return joined


def _join_chunks(
    source: Store, read: Sequence[tuple[Manifest, Dataset]], optional: tuple[Dataset, ...]
) -> Iterator[list[TaskInputs]]:
    """Yield the chunks of the first input, by id, with what is read of each input and what of it is lost."""
    (first, dataset), *others = read
    lookups = [Lookup(manifest.chunk_pages(other.name)) for manifest, other in others]
    sizes = [_list_sizes(source, manifest, of) for manifest, of in read]
    needed = {i: f"{other.name}/{manifest.run_id}" for i, (manifest, other) in enumerate(read) if other not in optional}
    for page in first.chunk_pages(dataset.name):
        ids = list(page)
        columns: list[Sequence[ObjectRef | None]] = [list(page.values())]
        columns += [lookup.take_each(ids) for lookup in lookups]
        keys = [[ref.key if ref else "" for ref in refs] for refs in columns]
        listed = [there.take_each(some) for there, some in zip(sizes, keys, strict=True)]
        if listed == [[ref.size if ref else -1 for ref in refs] for refs in columns]:
            # Nothing is lacking here, so that no chunk need be looked at by itself: a third of the time.
            yield list(map(TaskInputs, ids, zip(*columns, strict=True)))
        else:
            rows = zip(ids, zip(*columns, strict=True), zip(*listed, strict=True), strict=True)
            yield [_join_chunk(*row, needed) for row in rows]


def _join_chunk(
    chunk_id: str, refs: tuple[ObjectRef | None, ...], sizes: tuple[int | None, ...], needed: dict[int, str]
) -> TaskInputs:
    """Return what is read of a chunk, and what of it is lost.

    Args:
        chunk_id: the chunk.
        refs: its object in each input; None where that has none.
        sizes: the bytes that are there of each.
        needed: the inputs that it must be in, by their place among the inputs.
    """
    lacks = [name for i, name in needed.items() if refs[i] is None]
    if lacks:
        why = f"chunk {chunk_id} is not in {' nor in '.join(lacks)}: it failed there, or was left out"
        return TaskInputs(chunk_id, (), why)
    inputs = [(ref, size) for ref, size in zip(refs, sizes, strict=True) if ref is not None]
    lost = next((_what_is_lost(ref, size) for ref, size in inputs if size != ref.size), None)
    return TaskInputs(chunk_id, tuple(ref for ref, _ in inputs), lost)


def _list_sizes(store: Store, manifest: Manifest, dataset: Dataset) -> Lookup[int]:
    cuts = [chunk_key(dataset, manifest.run_id, chunk_id) for chunk_id in manifest.cuts]
    return Lookup(store.list_pages(f"{dataset.name}/{manifest.run_id}/", cuts))


def _find_written(
    target: Store, dataset: Dataset, run_id: str, chunk_ids: Sequence[str], cut_ids: Iterable[str]
) -> bytes:
    """Return for each chunk whether its output is there, as 1 or 0."""
    cuts = [chunk_key(dataset, run_id, chunk_id) for chunk_id in cut_ids]
    listed = Lookup(target.list_pages(f"{dataset.name}/{run_id}/", cuts, sized=False))
    found = bytearray()
    for i in range(0, len(chunk_ids), _TOGETHER):
        keys = [chunk_key(dataset, run_id, chunk_id) for chunk_id in chunk_ids[i : i + _TOGETHER]]
        found += bytes(size is not None for size in listed.take_each(keys))
    return bytes(found)


def _list_lost(chunks: Iterable[TaskInputs], found: bytes) -> list[Outcome]:
    """Return what becomes of the chunks that can't be computed: one that was never made, or is lost and not found."""
    return [
        Outcome(chunk.chunk_id, "failed", error=chunk.lost, error_kind="ChunkDamagedError")
        for chunk, is_found in zip(chunks, found, strict=True)
        if chunk.lost and not (chunk.inputs and is_found)
    ]


def read_finished(store: Store, plan: Plan) -> Manifest | None:
    """Return the manifest of a planned run that is complete already; None if there is work left."""
    if plan.n_found < plan.n_chunks:
        return None
    try:
        manifest = read_manifest(store, plan.stage.writes[-1].name, plan.run_id)
    except ObjectNotFoundError:
        return None
    made_of_all = (*manifest.gathered, *([] if manifest.fit is None else [manifest.fit]))
    if not all(any(store.list(ref.key)) for ref in made_of_all):
        return None
    return manifest if manifest.complete else None


def _what_is_lost(ref: ObjectRef, size: int | None) -> str:
    """Return what is wrong with an object that is not there in its size."""
    if size is None:
        return f"{ref.key} is gone, though its run's manifest names it"
    what = "is empty" if not size else f"has {size} bytes, and the manifest says {ref.size}"
    return f"{ref.key} {what}: truncated, or written anew since its run"
