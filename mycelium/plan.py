"""Plans: which chunks a run has to compute.

The identity of a run is the hash of everything that decides its output: stage, version, parameters, teacher, and the
SHA-256 of every input chunk. Its outputs live under that identity, and the output object of a chunk is the chunk's
completion mark. So planning is two listings, inputs and outputs, and their difference; whoever starts the same
command again does only what is missing, and whatever else changes starts a new run beside the old one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from mycelium.errors import ObjectNotFoundError, WrongDatasetError
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, read_manifest
from mycelium.schema import Dataset, Provenance, Row, chunk_key
from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import Task

RUN_DIGITS = 12


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
    tasks: tuple[Task, ...]
    lost: tuple[Outcome, ...]
    n_chunks: int
    fit: ObjectRef | None = None

    @property
    def n_found(self) -> int:
        """Chunks whose output is there already."""
        return sum(task.found for task in self.tasks)


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
        if not manifest.chunks(dataset.name):
            raise WrongDatasetError(
                f"stage {stage.name} reads dataset {dataset.name}, and run {manifest.run_id} of {manifest.stage} "
                f"({manifest.provenance.origin}) holds none of its chunks"
            )
    if stage.settle is not None:
        params = stage.settle(params, {dataset.name: manifest.result for manifest, dataset in read})
    reads_of = _join_provenance(inputs)
    untaught = tuple(dataset.name for manifest, dataset in read if manifest.provenance != reads_of)
    writes_of = replace(reads_of, teacher=teacher) if teacher else reads_of
    refs, missing = _join_chunks(read, stage.optional)
    plain_params: Row = msgspec.to_builtins(params)
    run_id = f"{reads_of.name}-{_identity(stage, plain_params, writes_of, refs, fit)}"
    sizes = {
        info.key: info.size for manifest, dataset in read for info in source.list(f"{dataset.name}/{manifest.run_id}/")
    }
    written = {info.key for info in target.list(f"{stage.writes[-1].name}/{run_id}/")}
    tasks: list[Task] = []
    lost = [_lose(chunk_id, why) for chunk_id, why in missing.items()]
    for chunk_id, chunk_refs in refs.items():
        found = chunk_key(stage.writes[-1], run_id, chunk_id) in written
        reason = None if found else _what_is_lost(chunk_refs, sizes)
        if reason:
            lost.append(_lose(chunk_id, reason))
        else:
            tasks.append(
                Task(chunk_id, run_id, stage.name, plain_params, chunk_refs, reads_of, writes_of, found, untaught)
            )
    names = tuple(f"{dataset.name}/{manifest.run_id}" for manifest, dataset in read)
    n_chunks = len(refs) + len(missing)
    return Plan(run_id, stage, params, source.uri, names, writes_of, tuple(tasks), tuple(lost), n_chunks, fit)


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
    read: Sequence[tuple[Manifest, Dataset]], optional: tuple[Dataset, ...]
) -> tuple[dict[str, tuple[ObjectRef, ...]], dict[str, str]]:
    """Return the objects to read by chunk id of the first input, and of the chunks that lack one, what is missing."""
    per_input = [(manifest, dataset, manifest.chunks(dataset.name)) for manifest, dataset in read]
    refs: dict[str, tuple[ObjectRef, ...]] = {}
    missing: dict[str, str] = {}
    for chunk_id in sorted(per_input[0][2]):
        lacks = [
            f"{dataset.name}/{manifest.run_id}"
            for manifest, dataset, chunks in per_input
            if chunk_id not in chunks and dataset not in optional
        ]
        if lacks:
            missing[chunk_id] = f"chunk {chunk_id} is not in {' nor in '.join(lacks)}: it failed there, or was left out"
        else:
            refs[chunk_id] = tuple(chunks[chunk_id] for _, _, chunks in per_input if chunk_id in chunks)
    return refs, missing


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


def _identity(
    stage: Stage[Any],
    params: Row,
    provenance: Provenance,
    refs: dict[str, tuple[ObjectRef, ...]],
    fit: ObjectRef | None,
) -> str:
    decides: dict[str, object] = {
        "stage": [stage.name, stage.version],
        "writes": [[dataset.name, dataset.version] for dataset in stage.writes],
        "params": params,
        "provenance": provenance,
        "inputs": [[chunk_id, *(ref.sha256 for ref in chunk_refs)] for chunk_id, chunk_refs in sorted(refs.items())],
    }
    if fit is not None:
        decides["fit"] = fit.sha256
    return digest(msgspec.json.encode(decides, order="sorted"))[:RUN_DIGITS]


def _lose(chunk_id: str, why: str) -> Outcome:
    """Return the outcome of a chunk that nobody need try."""
    return Outcome(chunk_id, "failed", error=why, error_kind="ChunkDamagedError", attempts=0)


def _what_is_lost(refs: tuple[ObjectRef, ...], sizes: dict[str, int]) -> str | None:
    for ref in refs:
        if ref.key not in sizes:
            return f"{ref.key} is gone, though its run's manifest names it"
        if sizes[ref.key] != ref.size:
            what = "is empty" if not sizes[ref.key] else f"has {sizes[ref.key]} bytes, and the manifest says {ref.size}"
            return f"{ref.key} {what}: truncated, or written anew since its run"
    return None
