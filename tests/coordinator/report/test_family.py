"""Families: one run of each stage, of the same problems and of one another; the generations in order."""

import pytest

from coordinator.report.family import count_under_way, find_family, latest_of_all
from mycelium.errors import UnknownRunError
from mycelium.manifest import INGEST
from mycelium.store import MemoryStore
from tests.coordinator.report.relatives import READS, WRITES, run_id, write_all, write_run


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_all_that_was_made_of_the_same_problems_belongs(store: MemoryStore) -> None:
    family = find_family(store, write_all(store))
    assert set(family.by_stage) == set(READS) - {"heartbeat"}
    seen: set[str] = set()
    for manifest in family.by_stage.values():
        assert {name.rpartition("/")[2] for name in manifest.parents} - {run_id("heartbeat")} <= seen
        seen.add(manifest.run_id)
    assert family.problems is not None
    assert family.problems.stage == INGEST


def test_runs_of_other_problems_do_not(store: MemoryStore) -> None:
    of = write_run(store, INGEST)
    write_run(store, "steps")
    write_run(store, INGEST, digit=1)
    write_run(store, "jsd", inputs=(f"iaf/{run_id('extract', 1)}",))
    assert set(find_family(store, of).by_stage) == {INGEST, "steps"}


def test_the_run_asked_for_brings_its_own_ancestors_and_relatives_follow_them(store: MemoryStore) -> None:
    write_run(store, INGEST)
    for digit, finished_s in ((1, 10.0), (2, 20.0)):
        write_run(store, "steps", digit=digit, finished_s=finished_s)
        write_run(
            store, "labels", digit=digit, finished_s=30.0 - finished_s, inputs=(f"steps/{run_id('steps', digit)}",)
        )
    old = write_run(store, "steps", digit=1, finished_s=10.0)
    by_stage = find_family(store, old).by_stage
    assert by_stage["steps"].run_id == run_id("steps", 1)
    assert by_stage["labels"].run_id == run_id("labels", 1)
    latest = find_family(store, write_run(store, INGEST)).by_stage
    assert latest["steps"].run_id == run_id("steps", 2)
    assert latest["labels"].run_id == run_id("labels", 2)  # made of those steps, though it ended before the other


def test_ancestors_that_are_gone_and_circles_are_borne(store: MemoryStore) -> None:
    alone = write_run(store, "labels")
    assert set(find_family(store, alone).by_stage) == {"labels"}
    write_run(store, "steps", inputs=(f"labels/{run_id('labels')}",))
    assert set(find_family(store, alone).by_stage) == {"labels", "steps"}


def test_the_latest_of_all_is_of_any_stage(store: MemoryStore) -> None:
    with pytest.raises(UnknownRunError, match="no runs in memory://"):
        latest_of_all(store)
    write_run(store, INGEST, finished_s=5.0)
    write_run(store, "steps", finished_s=9.0)
    write_run(store, "labels", finished_s=7.0)
    assert latest_of_all(store).stage == "steps"


def test_what_has_chunks_and_no_manifest_is_under_way(store: MemoryStore) -> None:
    of = write_run(store, INGEST)
    store.put("labels/gsm8k-ffffffffffff/00000.parquet", b"x")
    store.put("labels/gsm8k-ffffffffffff/00001.parquet", b"x")
    store.put("labels/other-ffffffffffff/00001.parquet", b"x")
    store.put(f"{WRITES[INGEST]}/{of.run_id}/00000.parquet", b"x")
    assert count_under_way(store, find_family(store, of)) == [("labels/gsm8k-ffffffffffff", 2)]
