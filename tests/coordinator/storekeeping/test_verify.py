"""Verifying: every way in which an object can differ from its manifest is told, and nothing else."""

from dataclasses import replace

import pytest

from coordinator.storekeeping import verify
from coordinator.storekeeping.verify import drop_damaged, verify_run
from mycelium.fit import put_artifact
from mycelium.manifest import ObjectRef
from mycelium.store import MemoryStore
from tests.builders import BuiltRun, build_run, make_iaf


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def built(store: MemoryStore) -> BuiltRun:
    return build_run(store, [make_iaf(seed=i) for i in range(3)])


def look(store: MemoryStore, built: BuiltRun) -> list[tuple[str, str]]:
    seen: list[ObjectRef] = []
    found = [(damage.chunk_id, damage.what) for damage in verify_run(store, built.manifest, seen.append)]
    assert len(seen) == 3
    return found


@pytest.mark.parametrize("piece", [1 << 20, 1000, 7])
def test_a_good_run_is_good_however_it_is_read(
    store: MemoryStore, built: BuiltRun, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "PIECE", piece)
    assert look(store, built) == []


def test_every_damage_is_told(store: MemoryStore, built: BuiltRun) -> None:
    key = built.keys["00001"]
    data = store.get(key)
    for bad, what in (
        (data[:-1], f"it has only {len(data) - 1} of its {len(data)} bytes"),
        (b"", f"it has only 0 of its {len(data)} bytes"),
        (data + b"x", f"it has more than its {len(data)} bytes"),
        (data[:-1] + bytes([data[-1] ^ 1]), "its bytes have another SHA-256 than its manifest says"),
    ):
        store.put(key, bad, mode="overwrite")
        assert look(store, built) == [("00001", what)]
    store.delete(key)
    assert look(store, built) == [("00001", "it is gone")]


def test_dropping_takes_the_damaged_chunk_and_no_other(store: MemoryStore, built: BuiltRun) -> None:
    store.put(built.keys["00001"], b"bad", mode="overwrite")
    damages = list(verify_run(store, built.manifest, lambda _: None))
    assert drop_damaged(store, built.manifest, damages) == 1
    left = {info.key for info in store.list("iaf/")}
    assert left == {built.keys["00000"], built.keys["00002"]}


def test_the_artifact_of_a_fit_is_verified_and_dropped_alone(store: MemoryStore, built: BuiltRun) -> None:
    built.manifest = replace(built.manifest, fit=put_artifact(store, built.manifest.run_id, b"templates"))
    assert built.manifest.fit is not None
    store.put(built.manifest.fit.key, b"tampered!", mode="overwrite")
    (damage,) = verify_run(store, built.manifest, lambda _: None)
    assert (damage.chunk_id, damage.key) == ("fit", built.manifest.fit.key)
    assert drop_damaged(store, built.manifest, [damage]) == 1
    assert len(list(store.list("iaf/"))) == 3
    assert list(store.list("fits/")) == []
