"""Litter: found where nothing needs it, kept where something may, and nothing else is touched."""

from dataclasses import replace

import pytest

import mycelium.manifest
from coordinator.storekeeping.garbage import delete_litter, find_litter
from mycelium.datasets import IAF
from mycelium.errors import ChunkDamagedError
from mycelium.manifest import ObjectRef, digest, list_volumes, read_manifest, write_manifest
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf

HOUR = 3600.0
KNOWN = {"iaf", "heartbeats"}


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    store = MemoryStore(clock)
    finished = build_run(store, [make_iaf(seed=i) for i in range(2)], run_id="gsm8k-000000000001").manifest
    fit = ObjectRef("fits", "fits/gsm8k-000000000001/artifact.arrow", 5, "0" * 64)
    write_manifest(store, replace(finished, fit=fit), (IAF,))
    build_run(store, [make_iaf(seed=i) for i in range(2)], run_id="gsm8k-000000000002", complete=False)
    for key in (
        "iaf/gsm8k-000000000001/00007.parquet",  # a chunk that the manifest does not name
        "iaf/gsm8k-000000000003/00000.parquet",  # a run that was cut off
        "iaf/gsm8k-000000000003/00001.parquet",
        "parts/gsm8k-000000000001/00000.arrow",  # of a finished run
        "parts/gsm8k-000000000002/00000.arrow",  # of one that may be carried on
        "parts/gsm8k-000000000003/00000.arrow",
        "work/gsm8k-000000000001/run.json",
        "fits/gsm8k-000000000001/sum-0123456789abcdef.arrow",
        "fits/gsm8k-000000000001/artifact.arrow",
        "fits/gsm8k-000000000002/sum-0123456789abcdef.arrow",
        "rejects/gsm8k-000000000003/00000.jsonl",
        "holiday/photos/1.parquet",
        "iaf/readme.txt",
        "iaf/holiday/00000.parquet",  # somebody else's, though among our datasets
        "iaf/gsm8k-000000000003/notes.txt",
        "iaf/gsm8k-000000000003/old/00000.parquet",
        "work/notes/todo.txt",
    ):
        store.put(key, b"12345")
    return store


def litter(store: MemoryStore, clock: Clock, min_age_s: float = HOUR) -> dict[str, tuple[str, int]]:
    return {one.place: (one.reason, len(one.keys)) for one in find_litter(store, KNOWN, min_age_s, clock)}


def test_what_nothing_needs_is_found(store: MemoryStore, clock: Clock) -> None:
    clock.now_s = 2 * HOUR
    assert litter(store, clock) == {
        "iaf/gsm8k-000000000001": ("its run's manifest does not name it", 1),
        "iaf/gsm8k-000000000003": ("its run was cut off, and has no manifest", 2),
        "parts/gsm8k-000000000001": ("its run is finished", 1),
        "work/gsm8k-000000000001": ("its run is finished", 1),
        "fits/gsm8k-000000000001": ("its run is finished", 1),
    }


@pytest.mark.parametrize("harm", ["renamed", "cut", "empty"])
def test_a_run_whose_manifest_was_spoilt_is_not_taken_for_one_that_was_cut_off(
    store: MemoryStore, clock: Clock, harm: str
) -> None:
    """Its chunks are all there is of it; nothing is deleted, and the manifest is named."""
    clock.now_s = 2 * HOUR
    key = "manifests/iaf/gsm8k-000000000001.json"
    data = store.get(key)
    store.delete(key)
    spoilt = "manifests/iaf/my-best-run.json"
    store.put(spoilt, {"renamed": data, "cut": data[:-9], "empty": b""}[harm])
    with pytest.raises(ChunkDamagedError, match=rf"{spoilt} .*; put that right first"):
        list(find_litter(store, KNOWN, HOUR, clock))


def test_what_was_made_of_a_runs_last_part_is_needed(store: MemoryStore, clock: Clock) -> None:
    manifest = build_run(store, [make_iaf()], run_id="gsm8k-000000000004").manifest
    key = "splits/gsm8k-000000000004/00000.parquet"
    store.put(key, b"12345")
    gathered = (ObjectRef("splits", key, 5, digest(b"12345")),)
    write_manifest(store, replace(manifest, gathered=gathered), (IAF,))
    store.put("splits/gsm8k-000000000005/00000.parquet", b"12345")
    clock.now_s = 2 * HOUR
    found = [one.place for one in find_litter(store, KNOWN | {"splits"}, HOUR, clock) if one.place.startswith("splits")]
    assert found == ["splits/gsm8k-000000000005"]


def test_what_was_written_lately_is_kept(store: MemoryStore, clock: Clock) -> None:
    clock.now_s = 2 * HOUR
    store.put("iaf/gsm8k-000000000003/00002.parquet", b"the run is still under way")
    assert "iaf/gsm8k-000000000003" not in litter(store, clock)
    clock.now_s = 3 * HOUR
    assert litter(store, clock)["iaf/gsm8k-000000000003"][1] == 3


def test_only_what_was_found_is_deleted(store: MemoryStore, clock: Clock) -> None:
    clock.now_s = 2 * HOUR
    before = {info.key for info in store.list()}
    found = list(find_litter(store, KNOWN, HOUR, clock))
    for one in found:
        delete_litter(store, one)
    assert before - {info.key for info in store.list()} == {key for one in found for key in one.keys}
    assert litter(store, clock) == {}


def test_volumes_that_no_manifest_names_may_go(
    store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mycelium.manifest, "IN_ONE", 2)
    run = build_run(store, [make_iaf(seed=i) for i in range(3)], run_id="gsm8k-000000000006").manifest
    named = {info.key for info in list_volumes(store)}
    outcomes = tuple(replace(outcome, n_problems=9) for outcome in run.outcomes)
    write_manifest(store, replace(run, outcomes=outcomes), (IAF,))
    store.put("manifests/iaf/gsm8k-000000000007/0123456789abcdef.msgpack.zst", b"of a run that was cut off")
    clock.now_s = 2 * HOUR
    found = {one.place: one for one in find_litter(store, KNOWN, HOUR, clock) if one.place.startswith("manifests")}
    assert set(found) == {"manifests/iaf/gsm8k-000000000006", "manifests/iaf/gsm8k-000000000007"}
    assert set(found["manifests/iaf/gsm8k-000000000006"].keys) == named
    for one in found.values():
        delete_litter(store, one)
    assert len(read_manifest(store, "iaf", "gsm8k-000000000006").failed) == 0
    assert read_manifest(store, "iaf", "gsm8k-000000000006").outcomes == outcomes
