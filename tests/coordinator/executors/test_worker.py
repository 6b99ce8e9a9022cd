"""What goes to workers and back, and what they keep."""

import contextlib
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors import worker
from coordinator.executors.worker import Bench, Worker
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.errors import StoreNotAvailableError
from mycelium.manifest import ObjectRef, Outcome, strip_times
from mycelium.plan import plan_run
from mycelium.schema import Provenance
from mycelium.store import LocalStore
from mycelium.task import Task, TaskResult
from tests.builders import build_run, make_iaf

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
REFS = st.builds(ObjectRef, TEXT, TEXT, st.integers(0, 1 << 60), TEXT)
PROVENANCES = st.builds(Provenance, TEXT, TEXT, st.none() | TEXT)
SCALARS = st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.floats(allow_nan=False) | TEXT
TASKS = st.builds(
    Task,
    TEXT,
    TEXT,
    TEXT,
    st.dictionaries(TEXT, SCALARS, max_size=3),
    st.lists(REFS, max_size=2).map(tuple),
    PROVENANCES,
    PROVENANCES,
    found=st.booleans(),
    untaught=st.lists(TEXT, max_size=2).map(tuple),
    broadcast=st.none() | REFS,
    asks=st.booleans(),
)
OUTCOMES = st.builds(
    Outcome,
    TEXT,
    st.sampled_from(["done", "found", "failed"]),
    st.lists(REFS, max_size=2).map(tuple),
    error=st.none() | TEXT,
    started_s=st.floats(0, 1e12),
    wall_s=st.floats(0, 1e9),
    cold=st.booleans(),
)
RESULTS = st.builds(TaskResult, OUTCOMES, st.none() | st.binary(max_size=50), st.none() | TEXT)


@given(st.lists(TASKS, max_size=3), st.lists(RESULTS, max_size=3))
def test_what_goes_to_a_worker_and_back_arrives_as_it_was(tasks: list[Task], results: list[TaskResult]) -> None:
    assert worker._tasks.decode(msgspec.msgpack.encode(tasks)) == tasks
    assert worker._results.decode(msgspec.msgpack.encode(results)) == results


def test_a_worker_does_what_this_process_would_in_the_order_given(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    source = build_run(store, [make_iaf(seed=i) for i in range(3)]).manifest
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    stores = (store.uri, store.uri)
    with contextlib.closing(Worker(plan.tasks[0], stores)) as process:
        there = process.run_all(plan.tasks)  # a sequence of any kind
    assert [result.outcome.status for result in there] == ["done"] * 3
    here = Bench(plan.tasks[0], stores).run_all(plan.tasks)  # finds what the worker wrote
    assert [result.part for result in here] == [result.part for result in there]
    assert [strip_times(r.outcome).outputs for r in here] == [strip_times(r.outcome).outputs for r in there]
    assert [result.outcome.chunk_id for result in there] == [task.chunk_id for task in plan.tasks]


@given(TEXT)
def test_an_error_of_ours_is_raised_as_what_it_was_and_any_other_by_its_name(said: str) -> None:
    met = worker._read_error(worker._write_error(StoreNotAvailableError(said or "?")))
    assert type(met) is StoreNotAvailableError
    other = worker._read_error(worker._write_error(ZeroDivisionError("by nothing")))
    assert str(other) == "a worker met ZeroDivisionError: by nothing"
