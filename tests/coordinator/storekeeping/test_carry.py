"""Carrying runs between stores: whole, checked, resumable, and never over something else."""

from dataclasses import replace
from pathlib import Path

import pytest

import mycelium.manifest
from coordinator.storekeeping.carry import carry_runs, find_ancestry
from mycelium.datasets import IAF, PROBLEMS
from mycelium.errors import ChunkDamagedError, UserInputError
from mycelium.fit import put_artifact
from mycelium.manifest import INGEST, list_volumes, read_manifest, write_manifest
from mycelium.store import LocalStore, MemoryStore, PutMode
from tests.builders import BuiltRun, build_run, make_computing_problems, make_iaf


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def built(store: MemoryStore) -> BuiltRun:
    problems = build_run(store, [make_computing_problems(3)], PROBLEMS, "gsm8k-000000000001").manifest
    write_manifest(store, replace(problems, stage=INGEST, inputs=("../data/gsm8k.jsonl",)), (PROBLEMS,))
    made = build_run(store, [make_iaf(seed=i) for i in range(3)], run_id="gsm8k-000000000002")
    made.manifest = replace(made.manifest, inputs=("problems/gsm8k-000000000001",))
    write_manifest(store, made.manifest, (IAF,))
    return made


def test_a_run_arrives_with_all_that_it_was_made_of(store: MemoryStore, built: BuiltRun, tmp_path: Path) -> None:
    target = LocalStore(tmp_path / "out")
    runs = find_ancestry(store, built.manifest, with_inputs=True)
    carried = carry_runs(store, target, runs, lambda _: None)
    assert carried.runs == ("iaf/gsm8k-000000000002", "problems/gsm8k-000000000001")
    assert (carried.n_copied, carried.n_found) == (4, 0)
    assert read_manifest(target, "iaf", "gsm8k-000000000002") == built.manifest
    assert [(i.key, target.get(i.key)) for i in target.list("iaf/")] == [
        (i.key, store.get(i.key)) for i in store.list("iaf/")
    ]
    again = carry_runs(store, target, runs, lambda _: None)
    assert (again.n_copied, again.n_found, again.size) == (0, 4, 0)


def test_a_run_is_never_seen_before_what_it_was_made_of(store: MemoryStore, built: BuiltRun) -> None:
    """Killed between two manifests, the target has problems and no signals of them; never the other way round."""
    target, written = MemoryStore(), []

    class Watched(MemoryStore):
        def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
            written.append(key)
            target.put(key, data, mode)

    runs = find_ancestry(store, built.manifest, with_inputs=True)
    carry_runs(store, Watched(), runs, lambda _: None)
    assert written[-2:] == ["manifests/problems/gsm8k-000000000001.json", "manifests/iaf/gsm8k-000000000002.json"]
    assert not any(key.startswith("manifests/") for key in written[:-2])


def test_a_run_that_was_finished_there_stays_finished(store: MemoryStore, built: BuiltRun) -> None:
    target = MemoryStore()
    carry_runs(store, target, [built.manifest], lambda _: None)
    begun = replace(built.manifest, complete=False, outcomes=built.manifest.outcomes[:1])
    write_manifest(store, begun, (IAF,))
    carry_runs(store, target, [begun], lambda _: None)
    assert read_manifest(target, "iaf", begun.run_id) == built.manifest
    write_manifest(target, begun, (IAF,))
    carry_runs(store, target, [built.manifest], lambda _: None)
    assert read_manifest(target, "iaf", begun.run_id).complete


def test_a_run_in_volumes_arrives_with_them(
    store: MemoryStore, built: BuiltRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mycelium.manifest, "IN_ONE", 1)
    write_manifest(store, built.manifest, (IAF,))
    target = LocalStore(tmp_path / "out")
    carry_runs(store, target, [read_manifest(store, "iaf", built.manifest.run_id)], lambda _: None)
    for info in list(store.list()):
        store.delete(info.key)
    arrived = read_manifest(target, "iaf", built.manifest.run_id)
    assert arrived.outcomes == built.manifest.outcomes
    assert len(list(list_volumes(target))) == 3


def test_alone_it_comes_alone(store: MemoryStore, built: BuiltRun) -> None:
    assert find_ancestry(store, built.manifest, with_inputs=False) == [built.manifest]


def test_the_artifact_of_a_fit_comes_along(store: MemoryStore, built: BuiltRun) -> None:
    fit = put_artifact(store, built.manifest.run_id, b"templates")
    target = MemoryStore()
    carry_runs(store, target, [replace(built.manifest, fit=fit)], lambda _: None)
    assert target.get(fit.key) == b"templates"


def test_a_lost_ancestor_is_named(store: MemoryStore, built: BuiltRun) -> None:
    store.delete("manifests/problems/gsm8k-000000000001.json")
    with pytest.raises(UserInputError, match="problems/gsm8k-000000000001, of which gsm8k-000000000002 was made"):
        find_ancestry(store, built.manifest, with_inputs=True)


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_nothing_of_a_damaged_run_becomes_visible(store: MemoryStore, built: BuiltRun, damage: str) -> None:
    key = built.keys["00001"]
    if damage == "gone":
        store.delete(key)
    else:
        store.put(key, b"x", mode="overwrite")
    target = MemoryStore()
    with pytest.raises(ChunkDamagedError, match=key):
        carry_runs(store, target, [built.manifest], lambda _: None)
    assert list(target.list("manifests/")) == []


def test_another_object_of_that_name_is_not_replaced(store: MemoryStore, built: BuiltRun) -> None:
    target = MemoryStore()
    target.put(built.keys["00001"], b"somebody else's")
    with pytest.raises(UserInputError, match="has another"):
        carry_runs(store, target, [built.manifest], lambda _: None)
    assert target.get(built.keys["00001"]) == b"somebody else's"
