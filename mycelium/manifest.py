"""The record that a run leaves: what it was, what became of each chunk, what came out.

A manifest is one JSON object, ``manifests/<dataset>/<run id>.json``, written last. A run without one was cut off; its
chunks are still good, and the same command carries on from them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from mycelium.errors import ChunkDamagedError, UnknownRunError
from mycelium.nearest import find_nearest
from mycelium.schema import Dataset, Provenance, Result, Row
from mycelium.store import Store

MANIFEST_VERSION = 1
PREFIX = "manifests/"
FIT = "fit"
GATHERED = "gathered"
INGEST = "ingest"
"""What the manifests of problems call the stage that wrote them: none of those that read chunks."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object of a run.

    Attributes:
        dataset: the dataset it is a chunk of.
        key: its key.
        size: its bytes.
        sha256: the digest of its bytes, hexadecimal.
    """

    dataset: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one chunk.

    Attributes:
        chunk_id: the chunk.
        status: ``done``: computed in this run; ``found``: there already; ``failed``: see `error`.
        outputs: the objects written or found.
        error: for a failed chunk, its error in one line.
        error_kind: for a failed chunk, the error's class.
        n_input: rows read.
        n_output: rows written to the last dataset.
        n_problems: problems among them.
        bytes_read: bytes of input.
        started_s: when the task began, seconds since the epoch.
        wall_s: how long it took.
        peak_mb: the largest resident memory of the process until then, MiB.
        attempts: how often the chunk was tried, the last time included; 0 where another process ran it.
        cold: whether its function had to be started for it.
        init_ms: how long that start took.
        billed_ms: what the platform bills, for all attempts together.
        memory_mb: the largest memory that the function has used, as the platform says, MB.
    """

    chunk_id: str
    status: Literal["done", "found", "failed"]
    outputs: tuple[ObjectRef, ...] = ()
    error: str | None = None
    error_kind: str | None = None
    n_input: int = 0
    n_output: int = 0
    n_problems: int = 0
    bytes_read: int = 0
    started_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    attempts: int = 1
    cold: bool = False
    init_ms: float = 0.0
    billed_ms: int = 0
    memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run was and what came out of it.

    Attributes:
        run_id: ``<name>-<twelve hexadecimal digits>``; the digits are the hash of everything that decides the output.
        provenance: where the problems come from, and the teacher.
        stage: the stage's name.
        stage_version: its version.
        params: its parameters.
        commit: the version of the code that ran.
        executor: where the tasks ran.
        inputs: the runs read, as ``dataset/run id``; the files, for a run of `ingest`.
        finished_s: when the manifest was written, seconds since the epoch.
        wall_s: how long the last invocation took.
        complete: whether every chunk of the input has its output.
        n_chunks: chunks of the input.
        outcomes: what became of each chunk, by chunk id.
        result: what the stage's reduce concluded.
        notes: counts that the stage or ingest adds.
        gathered: the objects made of the last part, by stages that make some.
        fit: the artifact that the run mapped with, where its stage has a fit.
        trace_id: the command that wrote this; what its functions logged bears it, too.
    """

    run_id: str
    provenance: Provenance
    stage: str
    stage_version: int
    params: Row
    commit: str
    executor: str
    inputs: tuple[str, ...]
    finished_s: float
    wall_s: float
    complete: bool
    n_chunks: int
    outcomes: tuple[Outcome, ...]
    result: Result = field(default_factory=dict)
    notes: Row = field(default_factory=dict)
    version: int = MANIFEST_VERSION
    gathered: tuple[ObjectRef, ...] = ()
    fit: ObjectRef | None = None
    trace_id: str = ""

    def chunks(self, dataset: str) -> dict[str, ObjectRef]:
        """Return the good objects of one dataset, by chunk id."""
        refs = ((outcome.chunk_id, ref) for outcome in self.outcomes for ref in outcome.outputs)
        return {chunk_id: ref for chunk_id, ref in refs if ref.dataset == dataset}

    @property
    def parents(self) -> tuple[str, ...]:
        """The runs that it was made of, as ``dataset/run id``; none for problems, which come from files."""
        return () if self.stage == INGEST else self.inputs

    @property
    def objects(self) -> tuple[tuple[str, ObjectRef], ...]:
        """Every good object of the run, by chunk id; first, by the name ``fit``, the artifact that it mapped with.

        What was made of the last part follows, by the name ``gathered``.
        """
        fit = () if self.fit is None else ((FIT, self.fit),)
        gathered = tuple((GATHERED, ref) for ref in self.gathered)
        return (*fit, *gathered, *((outcome.chunk_id, ref) for outcome in self.outcomes for ref in outcome.outputs))

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The chunks that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def manifest_key(dataset: str, run_id: str) -> str:
    """Return the key of a run's manifest."""
    return f"{PREFIX}{dataset}/{run_id}.json"


def write_manifest(store: Store, manifest: Manifest, datasets: tuple[Dataset, ...]) -> None:
    """Write a manifest beside each dataset that the run wrote; the last dataset's is written last."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    for dataset in datasets:
        store.put(manifest_key(dataset.name, manifest.run_id), data, mode="overwrite")


def read_manifest(store: Store, dataset: str, run_id: str) -> Manifest:
    """Read the manifest of a run.

    Raises:
        ObjectNotFoundError: there is none.
        ChunkDamagedError: it can't be read.
    """
    key = manifest_key(dataset, run_id)
    try:
        manifest = msgspec.json.decode(store.get(key), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChunkDamagedError(f"manifest {key} in {store.uri} can't be read: {error}") from error
    if manifest.run_id != run_id:  # files are named by it: it must be what a key may be
        raise ChunkDamagedError(f"manifest {key} in {store.uri} is of another run: {manifest.run_id[:80]!r}")
    return manifest


def list_runs(store: Store, dataset: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield (dataset, run id) of every run that has a manifest."""
    for info in store.list(PREFIX if dataset is None else f"{PREFIX}{dataset}/"):
        name, _, file = info.key.removeprefix(PREFIX).partition("/")
        if file.endswith(".json"):
            yield name, file.removesuffix(".json")


def find_run(store: Store, reference: str, dataset: str | None = None) -> Manifest:
    """Find the run that a reference names.

    Args:
        store: where to look.
        reference: a run id, ``dataset/run id``, the beginning of a run id that no other run has, or the name that was
            given at ingest, for the latest complete run of that name.
        dataset: look only among the runs that wrote this dataset.

    Raises:
        UnknownRunError: no run, or more than one, answers to it.
    """
    wanted_dataset, _, wanted = reference.strip("/").rpartition("/")
    wanted_dataset = wanted_dataset.rpartition("/")[2] or dataset or ""
    runs = [
        (name, run_id)
        for name, run_id in list_runs(store, dataset)
        if run_id.startswith(wanted) and wanted_dataset in {"", name}
    ]
    exact = [run for run in runs if run[1] == wanted] or runs
    if all(run_id.rpartition("-")[0] == wanted for _, run_id in exact) and exact:
        return _latest([read_manifest(store, *run) for run in exact])
    if not exact:
        near = find_nearest(reference.strip("/"), _answering(store, dataset))
        hint = f": did you mean {near}?" if near else ";"
        raise UnknownRunError(f"no run {reference!r} in {store.uri}{hint} `python -m coordinator runs` lists them")
    if len({run_id for _, run_id in exact}) > 1:
        names = ", ".join(f"{name}/{run_id}" for name, run_id in exact[:4])
        raise UnknownRunError(f"{reference!r} may be any of {names}: say more of it")
    return read_manifest(store, *exact[-1])


def _answering(store: Store, dataset: str | None) -> Iterator[str]:
    """Yield what runs answer to, the shortest of each first."""
    for name, run_id in list_runs(store, dataset):
        given = run_id.rpartition("-")[0]
        yield from (given, f"{name}/{given}", run_id, f"{name}/{run_id}")


def latest_run(store: Store, dataset: Dataset) -> Manifest:
    """Return the run of a dataset that was finished last and is complete.

    Raises:
        UnknownRunError: there is none.
    """
    manifests = [read_manifest(store, name, run_id) for name, run_id in list_runs(store, dataset.name)]
    if not any(manifest.complete for manifest in manifests):
        some = f" ({len(manifests)} not complete)" if manifests else ""
        raise UnknownRunError(f"no complete run of dataset {dataset.name} in {store.uri}{some}")
    return _latest(manifests)


def _latest(manifests: list[Manifest]) -> Manifest:
    return max(manifests, key=lambda manifest: (manifest.complete, manifest.finished_s, manifest.run_id))


def strip_times(outcome: Outcome) -> Outcome:
    """Return what two executors must agree on: all but when, how long, and what it took and cost."""
    return replace(
        outcome,
        bytes_read=0,
        started_s=0.0,
        wall_s=0.0,
        peak_mb=0.0,
        attempts=1,
        cold=False,
        init_ms=0.0,
        billed_ms=0,
        memory_mb=0,
    )
