"""Take a run from one store to another, with all it was made of. A folder is a store: this is export and import.

Objects go first and manifests last, those of what a run was made of before its own, so that a run is in the new store
whole or not at all; going on after an interruption copies only what is missing.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from coordinator.lineage.walk import look_into, walk_back
from coordinator.storekeeping.verify import TOGETHER
from mycelium.errors import ChunkDamagedError, ObjectExistsError, ObjectNotFoundError, UserInputError
from mycelium.manifest import Manifest, ObjectRef, digest, list_runs, put_manifest, read_manifest
from mycelium.store import Store

N_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class Carried:
    """What was taken along.

    Attributes:
        runs: the runs, as ``dataset/run id``.
        n_copied: objects copied.
        n_found: objects that were there already, with the same bytes.
        size: bytes copied.
    """

    runs: tuple[str, ...]
    n_copied: int
    n_found: int
    size: int


def find_ancestry(store: Store, manifest: Manifest, *, with_inputs: bool) -> list[Manifest]:
    """Return a run and, if wanted, every run that it was made of.

    Args:
        store: where they are.
        manifest: the run.
        with_inputs: whether to follow its inputs.

    Raises:
        UserInputError: the store has not every one of them.
    """
    found = {manifest.run_id: manifest}
    for name, before in walk_back(manifest, look_into(store)) if with_inputs else ():
        if before is None:
            raise UserInputError(
                f"run {name}, of which {manifest.run_id} was made, is not in {store.uri}: leave --with-inputs out"
            )
        found.setdefault(before.run_id, before)
    return list(found.values())


def carry_runs(
    source: Store, target: Store, manifests: Sequence[Manifest], advance: Callable[[ObjectRef], None]
) -> Carried:
    """Copy runs; every object is checked against its manifest on the way.

    Args:
        source: where they are.
        target: where they go.
        manifests: the runs, each before those that it was made of.
        advance: called with each object when it is in the target.

    Raises:
        ChunkDamagedError: an object's bytes are not those of its manifest; nothing of its run becomes visible.
        UserInputError: the target has an object of that name with other bytes.
    """
    refs = (ref for manifest in manifests for _, ref in manifest.each_object())
    copied = found = size = 0
    with ThreadPoolExecutor(N_THREADS) as pool:
        while some := list(islice(refs, TOGETHER)):
            for ref, is_new in zip(some, pool.map(lambda ref: _copy(source, target, ref), some), strict=True):
                copied, found, size = copied + is_new, found + (not is_new), size + ref.size * is_new
                advance(ref)
    names: list[str] = []
    for manifest in reversed(manifests):
        for dataset in _datasets(source, manifest):
            if not _has_more(target, manifest, dataset):
                put_manifest(target, manifest, dataset)
            names.insert(0, f"{dataset}/{manifest.run_id}")
    return Carried(tuple(names), copied, found, size)


def _has_more(target: Store, manifest: Manifest, dataset: str) -> bool:
    """Return whether the target knows more of a run: it was finished there, and in the source it is not."""
    if manifest.complete:
        return False
    try:
        return read_manifest(target, dataset, manifest.run_id).complete
    except ObjectNotFoundError:
        return False


def _datasets(source: Store, manifest: Manifest) -> Iterator[str]:
    """Yield the datasets beside which the source has a run's manifest."""
    return (dataset for dataset, run_id in list_runs(source) if run_id == manifest.run_id)


def _copy(source: Store, target: Store, ref: ObjectRef) -> bool:
    """Copy one object; return False if it was there."""
    try:
        data = source.get(ref.key)
    except ObjectNotFoundError:
        raise ChunkDamagedError(f"{ref.key} is gone from {source.uri}, though its run's manifest names it") from None
    if len(data) != ref.size or digest(data) != ref.sha256:
        raise ChunkDamagedError(f"{ref.key} in {source.uri} has other bytes than its run's manifest says")
    try:
        target.put(ref.key, data, mode="create")
    except ObjectExistsError:
        if digest(target.get(ref.key)) == ref.sha256:
            return False
        raise UserInputError(f"{target.uri} has another {ref.key}: carry the run to another store") from None
    return True
