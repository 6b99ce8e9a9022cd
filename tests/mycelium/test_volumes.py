"""Volumes: written under their digests, and refused when their bytes are others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ChunkDamagedError
from mycelium.outcome import ObjectRef, Outcome, digest
from mycelium.packed import pack
from mycelium.store import MemoryStore
from mycelium.volumes import Named, Volumes, put_volumes, read_volume


def make_outcomes(n: int) -> list[Outcome]:
    return [
        Outcome(f"{i:05d}", "done", (ObjectRef("iaf", f"iaf/x/{i:05d}.parquet", i, f"{i:064x}"),), n_input=i)
        if i % 5
        else Outcome(f"{i:05d}", "failed", error="ü", error_kind="KeyError")
        for i in range(n)
    ]


@given(st.integers(0, 30), st.integers(1, 12))
def test_outcomes_come_back_from_volumes_of_any_size(n: int, n_each: int) -> None:
    store, outcomes = MemoryStore(), make_outcomes(n)
    volumes = put_volumes(store, iter(outcomes), "manifests/iaf/x", n_each)
    read = Volumes(store, volumes)
    assert read == outcomes
    assert [read[i] for i in range(n)] == outcomes
    assert read.n_failed == sum(outcome.status == "failed" for outcome in outcomes)
    assert [outcome for outcome in read.each_of_failed() if outcome.status == "failed"] == [
        outcome for outcome in outcomes if outcome.status == "failed"
    ]
    assert [one for some in read.each_named() for one in some] == [
        Named(outcome.chunk_id, outcome.outputs) for outcome in outcomes
    ]
    assert read.cuts == tuple(outcome.chunk_id for outcome in outcomes[n_each - 1 : -1 : n_each])


def test_the_same_outcomes_are_the_same_volumes_and_others_are_others() -> None:
    store, outcomes = MemoryStore(), make_outcomes(9)
    first = put_volumes(store, outcomes, "manifests/iaf/x", 4)
    assert put_volumes(store, outcomes, "manifests/iaf/x", 4) == first
    outcomes[5] = replace(outcomes[5], n_input=77)
    second = put_volumes(store, outcomes, "manifests/iaf/x", 4)
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, False, True]
    assert len(list(store.list())) == 4


def test_a_volume_that_is_gone_or_has_other_bytes_is_named() -> None:
    store = MemoryStore()
    (volume,) = put_volumes(store, make_outcomes(3), "manifests/iaf/x", 4)
    with pytest.raises(ChunkDamagedError, match="can't be read"):
        read_volume(store, replace(volume, n_bytes=volume.n_bytes - 1), Outcome)
    with pytest.raises(ChunkDamagedError, match="holds 3 outcomes, and its manifest says 4"):
        read_volume(store, replace(volume, n_outcomes=4), Outcome)
    store.put(volume.key, store.get(volume.key)[:-1], mode="overwrite")
    with pytest.raises(ChunkDamagedError, match=f"volume {volume.key} .* has another SHA-256"):
        read_volume(store, volume, Outcome)
    store.delete(volume.key)
    with pytest.raises(ChunkDamagedError, match=f"volume {volume.key} .* is gone"):
        read_volume(store, volume, Outcome)


@given(st.binary(max_size=40) | st.lists(st.integers(0, 9) | st.text(max_size=3), max_size=3).map(lambda x: pack(x)[0]))
def test_what_holds_no_outcomes_is_damaged_even_if_its_digest_is_right(data: bytes) -> None:
    store = MemoryStore()
    (volume,) = put_volumes(store, make_outcomes(1), "manifests/iaf/x", 4)
    store.put(volume.key, data, mode="overwrite")
    with pytest.raises(ChunkDamagedError):
        read_volume(store, replace(volume, sha256=digest(data)), Outcome)
