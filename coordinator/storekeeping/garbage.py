"""What no manifest refers to: chunks of runs that were cut off and never carried on, parts of runs long finished.

Only keys of the form ``<dataset>/<run id>/<number>.parquet`` of datasets that are known, and ``parts/<run id>/…``,
``work/<run id>/…`` and ``fits/<run id>/…``, and the volumes of manifests, are ever looked at; whatever else lies in a
bucket, or between our chunks, is none of ours.

Chunks without a manifest are those of a run that was cut off, unless somebody has renamed the manifest, or spoilt it.
So before such chunks are called litter all manifests of their dataset are read, and one that can't be ends it all.

A run that is under way has no manifest yet. So what was written lately is kept, whoever wrote it.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from mycelium.errors import ChunkDamagedError, ObjectNotFoundError
from mycelium.fit import FITS
from mycelium.identity import RUN_DIGITS
from mycelium.manifest import Manifest, list_runs, list_volumes, read_manifest
from mycelium.store import ObjectInfo, Store
from mycelium.volumes import Volumes
from mycelium.wire import PART_PREFIX, WORK_PREFIX

SCRATCH = (PART_PREFIX.rstrip("/"), WORK_PREFIX.rstrip("/"), FITS)
"""Where runs leave what only they need; of a fit all but its artifact."""

_CHUNK = re.compile(rf"[^/]+/[^/]+-[0-9a-f]{{{RUN_DIGITS}}}/\d+\.parquet")
_SCRATCH = re.compile(rf"[^/]+/[^/]+-[0-9a-f]{{{RUN_DIGITS}}}/.+")
"""Keys that are ours."""

N_THREADS = 16
"""Deletions in flight: each is a request of its own."""


@dataclass(frozen=True, slots=True)
class Litter:
    """The objects of one run that no manifest refers to.

    Attributes:
        place: ``dataset/run id``.
        reason: why nothing needs them.
        keys: their keys.
        size: their bytes.
        age_s: how long ago the youngest was written.
    """

    place: str
    reason: str
    keys: tuple[str, ...]
    size: int
    age_s: float


def find_litter(
    store: Store, datasets: Collection[str], min_age_s: float, clock: Callable[[], float]
) -> Iterator[Litter]:
    """Yield what may go, one run at a time, in the order of keys.

    In memory there are the names of all runs, and one run's listing and manifest.

    Args:
        store: where to look.
        datasets: the names of the datasets that chunks may be of.
        min_age_s: what was written less than this ago is kept.
        clock: the time, seconds since the epoch.

    Raises:
        ChunkDamagedError: a manifest can't be read, or is not that of the run that its name says.
    """
    run_ids = {run_id for _, run_id in list_runs(store)}
    check_manifests = cache(lambda dataset: _check_manifests(store, dataset))
    for place, infos in groupby(_list_outputs(store, (*datasets, *SCRATCH)), key=_place):
        dataset, _, run_id = place.partition("/")
        left = _unneeded(store, dataset, run_id, list(infos), run_ids)
        if left is not None:
            if run_id not in run_ids:
                check_manifests(dataset)
            yield from _judge_age(place, *left, min_age_s, clock)
    for place, infos in groupby(list_volumes(store), key=lambda info: info.key.rpartition("/")[0]):
        _, dataset, run_id = place.split("/")
        named = _named_volumes(store, dataset, run_id)
        unneeded = [info for info in infos if info.key not in named]
        yield from _judge_age(place, "its manifest does not name it", unneeded, min_age_s, clock)


def _judge_age(
    place: str, reason: str, unneeded: list[ObjectInfo], min_age_s: float, clock: Callable[[], float]
) -> Iterator[Litter]:
    """Yield what may go of one place, unless there is none or the youngest of it was written lately."""
    age_s = clock() - max((info.modified_s for info in unneeded), default=math.inf)
    if age_s >= min_age_s:
        keys = tuple(info.key for info in unneeded)
        yield Litter(place, reason, keys, sum(info.size for info in unneeded), age_s)


def _named_volumes(store: Store, dataset: str, run_id: str) -> set[str]:
    try:
        outcomes = read_manifest(store, dataset, run_id).outcomes
    except ObjectNotFoundError:
        return set()
    return {volume.key for volume in outcomes.volumes} if isinstance(outcomes, Volumes) else set()


def delete_litter(store: Store, litter: Litter) -> None:
    """Delete what was found."""
    with ThreadPoolExecutor(N_THREADS) as pool:
        for _ in pool.map(store.delete, litter.keys):
            pass  # the first error is raised here


def _list_outputs(store: Store, places: Collection[str]) -> Iterator[ObjectInfo]:
    for place in sorted(set(places)):
        ours = _SCRATCH if place in SCRATCH else _CHUNK
        yield from (info for info in store.list(f"{place}/") if ours.fullmatch(info.key))


def _check_manifests(store: Store, dataset: str) -> None:
    """Read all manifests of a dataset: each must be that of the run that its name says."""
    for run in list_runs(store, dataset):
        try:
            read_manifest(store, *run)
        except ChunkDamagedError as error:
            raise ChunkDamagedError(f"{error}; put that right first, for its chunks look like nobody's") from None


def _place(info: ObjectInfo) -> str:
    return "/".join(info.key.split("/", 2)[:2])


def _unneeded(
    store: Store, dataset: str, run_id: str, infos: list[ObjectInfo], run_ids: Collection[str]
) -> tuple[str, list[ObjectInfo]] | None:
    """Return why some objects of a run are not needed, and which; None if all are."""
    if dataset in SCRATCH:
        manifests = _manifests_of(store, run_id) if run_id in run_ids else []
        # A run that is not complete may be carried on from what it has left.
        if not any(manifest.complete for manifest in manifests):
            return None
        kept = {manifest.fit.key for manifest in manifests if manifest.fit is not None}
        return "its run is finished", [info for info in infos if info.key not in kept]
    try:
        manifest = read_manifest(store, dataset, run_id)
    except ObjectNotFoundError:
        # What is made of a run's last part has no manifest of its own: that of the run's chunks names it.
        gathered = {ref.key for manifest in _manifests_of(store, run_id) for ref in manifest.gathered}
        left = [info for info in infos if info.key not in gathered]
        return "its run was cut off, and has no manifest", left
    named = {ref.key for outcome in manifest.outcomes for ref in outcome.outputs}
    return "its run's manifest does not name it", [info for info in infos if info.key not in named]


def _manifests_of(store: Store, run_id: str) -> list[Manifest]:
    return [read_manifest(store, *run) for run in list_runs(store) if run[1] == run_id]
