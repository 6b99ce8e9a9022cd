"""The record that a run leaves: what it was, what became of each chunk, what came out.

A manifest is one JSON object, ``manifests/<dataset>/<run id>.json``, written last. A run without one was cut off; its
chunks are still good, and the same command carries on from them.

The outcomes of more than `IN_ONE` chunks stand in volumes, objects of their own that are written first and that the
manifest names by their digests. They are read when the outcomes are asked for; see `mycelium.volumes`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

import msgspec

from mycelium.errors import ChunkDamagedError, UnknownRunError
from mycelium.hint import say_command
from mycelium.nearest import find_nearest
from mycelium.outcome import ObjectRef, Outcome, digest, strip_times
from mycelium.schema import Dataset, Provenance, Result, Row
from mycelium.store import ObjectInfo, Store
from mycelium.volumes import VOLUME_SUFFIX, Named, Volume, Volumes, put_volumes

__all__ = [  # what a run leaves is known by this module's name, wherever a part of it is defined
    "ARCHITECTURE",
    "FIT",
    "GATHERED",
    "INGEST",
    "Manifest",
    "ObjectRef",
    "Outcome",
    "digest",
    "find_run",
    "latest_run",
    "list_runs",
    "list_volumes",
    "manifest_key",
    "put_manifest",
    "read_manifest",
    "strip_times",
    "write_manifest",
]

MANIFEST_VERSION = 1
VERSION_OF_VOLUMES = 2
IN_ONE = 10_000
"""Outcomes that a manifest holds itself, some 5 MB; more of them stand in volumes."""
PREFIX = "manifests/"
VOLUME_DEPTH = 3
"""Slashes in the key of a volume."""
FIT = "fit"
GATHERED = "gathered"
ARCHITECTURE = "architecture"
"""What the notes of a run on Lambda call the processor of its functions."""
INGEST = "ingest"
"""What the manifests of problems call the stage that wrote them: none of those that read chunks."""


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
    outcomes: Sequence[Outcome]
    result: Result = field(default_factory=dict)
    notes: Row = field(default_factory=dict)
    version: int = MANIFEST_VERSION
    gathered: tuple[ObjectRef, ...] = ()
    fit: ObjectRef | None = None
    trace_id: str = ""

    def chunks(self, dataset: str) -> dict[str, ObjectRef]:
        """Return the good objects of one dataset, by chunk id."""
        named = chain.from_iterable(self.outcomes.each_named()) if isinstance(self.outcomes, Volumes) else self.outcomes
        return dict(_refs(named, dataset))

    def each_chunk(self, dataset: str) -> Iterator[tuple[str, ObjectRef]]:
        """Yield the good objects of one dataset with their chunk ids, in the order of these.

        Of a large run no more than a volume is in memory at a time.

        Raises:
            ChunkDamagedError: a volume is gone, or is not what the manifest says.
        """
        return chain.from_iterable(page.items() for page in self.chunk_pages(dataset))

    def chunk_pages(self, dataset: str) -> Iterator[dict[str, ObjectRef]]:
        """Yield what `each_chunk` does, by chunk id: a volume at a time, or all of a smaller run.

        Raises:
            ChunkDamagedError: see `each_chunk`.
        """
        if not isinstance(self.outcomes, Volumes):
            yield dict(sorted(self.chunks(dataset).items()))
            return
        last = ""
        for named in self.outcomes.each_named():
            pairs = list(_refs(named, dataset))
            page = dict(pairs)
            ids = list(page)
            if len(ids) < len(pairs) or ids != sorted(ids) or (ids and ids[0] <= last):
                at = last or pairs[0][0]
                raise ChunkDamagedError(f"volumes of run {self.run_id} are out of order, at or after chunk {at}")
            last = ids[-1] if ids else last
            yield page

    @property
    def parents(self) -> tuple[str, ...]:
        """The runs that it was made of, as ``dataset/run id``; none for problems, which come from files."""
        return () if self.stage == INGEST else self.inputs

    def each_object(self) -> Iterator[tuple[str, ObjectRef]]:
        """Yield every good object of the run, by chunk id; first, by the name ``fit``, the artifact it mapped with.

        What was made of the last part follows that, by the name ``gathered``. Of a large run no more than a volume is
        in memory at a time.
        """
        if self.fit is not None:
            yield FIT, self.fit
        yield from ((GATHERED, ref) for ref in self.gathered)
        named = chain.from_iterable(self.outcomes.each_named()) if isinstance(self.outcomes, Volumes) else self.outcomes
        yield from ((one.chunk_id, ref) for one in named for ref in one.outputs)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The chunks that failed."""
        outcomes = self.outcomes.each_of_failed() if isinstance(self.outcomes, Volumes) else self.outcomes
        return tuple(outcome for outcome in outcomes if outcome.status == "failed")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Chunks, by id, between which a listing of a large run may be cut; see `Store.list`."""
        return self.outcomes.cuts if isinstance(self.outcomes, Volumes) else ()

    @property
    def n_failed(self) -> int:
        """How many chunks failed; no volume is read for it."""
        return self.outcomes.n_failed if isinstance(self.outcomes, Volumes) else len(self.failed)


def _refs(named: Iterable[Named | Outcome], dataset: str) -> Iterator[tuple[str, ObjectRef]]:
    return ((one.chunk_id, ref) for one in named for ref in one.outputs if ref.dataset == dataset)


def manifest_key(dataset: str, run_id: str) -> str:
    """Return the key of a run's manifest."""
    return f"{PREFIX}{dataset}/{run_id}.json"


def write_manifest(store: Store, manifest: Manifest, datasets: Iterable[Dataset]) -> Manifest:
    """Write a manifest beside each dataset that the run wrote; the last dataset's is written last.

    Returns:
        The manifest as it can be read from there: of many outcomes, those in the store.
    """
    written = manifest
    for dataset in datasets:
        written = put_manifest(store, manifest, dataset.name)
    return written


def put_manifest(store: Store, manifest: Manifest, dataset: str) -> Manifest:
    """Write a manifest beside one dataset, its volumes first; return it as it can be read from there.

    Whoever is killed meanwhile leaves the manifest that was there before, whole, or none: a volume's name is the digest
    of what it holds, so that no other manifest's volume is replaced.
    """
    key = manifest_key(dataset, manifest.run_id)
    if len(manifest.outcomes) <= IN_ONE:
        written = replace(manifest, outcomes=tuple(manifest.outcomes))
        data = msgspec.json.encode(written)
    else:
        volumes = put_volumes(store, manifest.outcomes, key.removesuffix(".json"), IN_ONE)
        head = _Head(**_fields_of(manifest) | {"outcomes": (), "version": VERSION_OF_VOLUMES, "volumes": volumes})
        data = msgspec.json.encode(head)
        written = replace(manifest, outcomes=Volumes(store, volumes), version=VERSION_OF_VOLUMES)
    store.put(key, msgspec.json.format(data, indent=1), mode="overwrite")
    return written


def read_manifest(store: Store, dataset: str, run_id: str) -> Manifest:
    """Read the manifest of a run; its volumes, where it has some, are read when its outcomes are asked for.

    Raises:
        ObjectNotFoundError: there is none.
        ChunkDamagedError: it can't be read.
    """
    key = manifest_key(dataset, run_id)
    try:
        head = msgspec.json.decode(store.get(key), type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChunkDamagedError(f"manifest {key} in {store.uri} can't be read: {error}") from error
    if head.run_id != run_id:  # files are named by it: it must be what a key may be
        raise ChunkDamagedError(f"manifest {key} in {store.uri} is of another run: {head.run_id[:80]!r}")
    outcomes = Volumes(store, head.volumes) if head.volumes else tuple(head.outcomes)
    return Manifest(**_fields_of(head) | {"outcomes": outcomes})


@dataclass(frozen=True, slots=True)
class _Head(Manifest):
    """A manifest as it is stored, if its outcomes are not in it."""

    volumes: tuple[Volume, ...] = ()


def _fields_of(manifest: Manifest) -> dict[str, Any]:
    return {field.name: getattr(manifest, field.name) for field in fields(Manifest)}


def list_runs(store: Store, dataset: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield (dataset, run id) of every run that has a manifest."""
    for info in store.list(PREFIX if dataset is None else f"{PREFIX}{dataset}/"):
        name, _, file = info.key.removeprefix(PREFIX).partition("/")
        if file.endswith(".json"):
            yield name, file.removesuffix(".json")


def list_volumes(store: Store) -> Iterator[ObjectInfo]:
    """Yield every volume there is, whether a manifest names it or not."""
    return (
        info for info in store.list(PREFIX) if info.key.endswith(VOLUME_SUFFIX) and info.key.count("/") == VOLUME_DEPTH
    )


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
        raise UnknownRunError(
            f"no run {reference!r} in {store.uri}{hint} `{say_command('coordinator runs')}` lists them"
        )
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
