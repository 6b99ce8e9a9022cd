"""Runs done again from their manifests: the same run or none, and one chunk with its error as it is."""

from dataclasses import replace

import pytest

from coordinator.again.rerun import do_task, find_task, plan_again
from lambdas.stages.steps import STAGE, STEPS
from mycelium.datasets import PROBLEMS
from mycelium.errors import ChunkDamagedError, UnknownRunError, UserInputError
from mycelium.manifest import Manifest, write_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import MemoryStore
from tests.builders import BuiltRun, build_run, make_computing_problems
from tests.coordinator.again.inline import Inline


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def problems(store: MemoryStore) -> BuiltRun:
    return build_run(store, [make_computing_problems(4, first=4 * i) for i in range(3)], PROBLEMS)


@pytest.fixture
def steps(store: MemoryStore, problems: BuiltRun) -> Manifest:
    plan = plan_run(store, store, STAGE, STAGE.params, [problems.manifest])
    return run_plan(store, plan, Inline(store), quiet=True)


def test_a_run_planned_again_is_the_same_run(store: MemoryStore, steps: Manifest) -> None:
    store.delete(f"steps/{steps.run_id}/00001.parquet")
    plan = plan_again(store, steps)
    assert plan.run_id == steps.run_id
    assert [task.chunk_id for task in plan.tasks if not task.found] == ["00001"]


def test_what_would_be_another_run_is_refused(store: MemoryStore, steps: Manifest) -> None:
    with pytest.raises(UserInputError, match="its inputs were written anew"):
        plan_again(store, replace(steps, params={"mentions": True}))
    with pytest.raises(UserInputError, match=f"stage steps is now version {STAGE.version}"):
        plan_again(store, replace(steps, run_id="gsm8k-ffffffffffff", stage_version=0))


def test_one_chunk_is_done_as_its_run_did_it_and_nothing_is_written(store: MemoryStore, steps: Manifest) -> None:
    before = [(info.key, store.get(info.key)) for info in store.list()]
    tables = do_task(store, find_task(store, "steps", "1", steps.run_id))
    assert tables[-1].num_rows == next(o.n_output for o in steps.outcomes if o.chunk_id == "00001")
    assert [(info.key, store.get(info.key)) for info in store.list()] == before


def test_an_error_is_raised_as_it_is(store: MemoryStore, steps: Manifest, problems: BuiltRun) -> None:
    key = problems.keys["00001"]
    store.put(key, b"x" * len(store.get(key)), mode="overwrite")
    with pytest.raises(ChunkDamagedError, match=key):
        do_task(store, find_task(store, "steps", "00001", steps.run_id))


def test_without_a_run_it_is_the_one_that_ended_last(store: MemoryStore, steps: Manifest) -> None:
    assert find_task(store, "steps", "0", None).task.run_id == steps.run_id
    failed = replace(steps, complete=False, finished_s=steps.finished_s + 1)
    write_manifest(store, failed, (STEPS,))
    assert find_task(store, "steps", "0", None).task.run_id == failed.run_id


def test_what_is_not_there_is_named(store: MemoryStore, steps: Manifest, problems: BuiltRun) -> None:
    with pytest.raises(UserInputError, match="has no chunk 9: its chunks are 00000 to 00002"):
        find_task(store, "steps", "9", steps.run_id)
    with pytest.raises(UnknownRunError, match="no run of dataset labels"):
        find_task(store, "labels", "0", None)
    for key in (problems.keys["00002"], f"steps/{steps.run_id}/00002.parquet"):
        store.delete(key)
    with pytest.raises(UserInputError, match="chunk 00002 can't be read: .* is gone"):
        find_task(store, "steps", "2", steps.run_id)
