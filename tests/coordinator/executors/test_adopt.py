"""Taking over outputs that are there."""

from pathlib import Path

from coordinator.executors.adopt import adopt_outputs
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.plan import plan_run
from mycelium.store import LocalStore
from mycelium.task import run_task
from tests.builders import build_run, make_iaf


def test_an_adopted_chunk_has_the_part_and_the_counts_of_one_just_made(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [build_run(store, [make_iaf()]).manifest])
    made = run_task(plan.tasks[0], STAGE, HeartbeatParams(), store, store)
    store.delete(plan.tasks[0].inputs[0].key)  # nothing is read there
    (adopted,) = adopt_outputs(plan.tasks, store.uri, store.uri)
    assert adopted.part == made.part
    assert adopted.outcome.outputs == made.outcome.outputs
    assert (adopted.outcome.status, adopted.outcome.attempts) == ("found", 0)
    assert adopted.outcome.n_input == made.outcome.n_input > 0
    assert adopted.outcome.n_output == made.outcome.n_output


def test_an_output_damaged_since_fails_its_chunk_and_says_to_delete_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [build_run(store, [make_iaf()] * 2).manifest])
    outputs = [run_task(task, STAGE, HeartbeatParams(), store, store).outcome.outputs[0].key for task in plan.tasks]
    store.put(outputs[0], b"", mode="overwrite")
    results = sorted(adopt_outputs(plan.tasks, store.uri, store.uri), key=lambda r: r.outcome.chunk_id)
    assert [r.outcome.status for r in results] == ["failed", "found"]
    assert "delete it and run again" in str(results[0].outcome.error)


def test_nothing_to_adopt_opens_no_store() -> None:
    assert list(adopt_outputs([], "s3://none", "s3://none")) == []
