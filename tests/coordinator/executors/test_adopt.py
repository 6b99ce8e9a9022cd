"""Taking over outputs that are there."""

import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from coordinator.executors.adopt import READ_AHEAD, adopt_outputs, yield_beside
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.errors import StoreNotAvailableError
from mycelium.manifest import Outcome
from mycelium.plan import plan_run
from mycelium.store import LocalStore
from mycelium.task import TaskResult, run_task
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


def name(prefix: str, n: int) -> Generator[TaskResult]:
    """Return results that are told apart by name."""
    yield from (TaskResult(Outcome(f"{prefix}{i}", "found")) for i in range(n))


@pytest.mark.parametrize(("n_answered", "n_adopted"), [(0, 0), (0, 5), (5, 0), (300, 300), (3, 10 * READ_AHEAD)])
def test_all_that_is_answered_and_all_that_is_adopted_comes_once_and_in_order(n_answered: int, n_adopted: int) -> None:
    came = [
        result.outcome.chunk_id for result in yield_beside(name("answered", n_answered), name("adopted", n_adopted))
    ]
    assert [each for each in came if each.startswith("answered")] == [f"answered{i}" for i in range(n_answered)]
    assert [each for each in came if each.startswith("adopted")] == [f"adopted{i}" for i in range(n_adopted)]


def test_outputs_are_read_while_the_functions_are_at_work() -> None:
    read = threading.Event()

    def adopt() -> Generator[TaskResult]:
        read.set()
        yield from name("adopted", 1)

    def answer() -> Iterator[TaskResult]:
        assert read.wait(60), "nothing was read before the first answer came"
        yield from name("answered", 1)

    assert len(list(yield_beside(answer(), adopt()))) == 2


def test_a_store_that_fails_ends_the_run() -> None:
    def adopt() -> Generator[TaskResult]:
        yield from name("adopted", 1)
        raise StoreNotAvailableError("gone")

    with pytest.raises(StoreNotAvailableError, match="gone"):
        list(yield_beside(name("answered", 1), adopt()))


def test_who_leaves_early_ends_the_reading() -> None:
    ended = threading.Event()

    def adopt() -> Generator[TaskResult]:
        try:
            yield from name("adopted", 10 * READ_AHEAD)
        finally:
            ended.set()

    results = yield_beside(name("answered", 3), adopt())
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert ended.wait(60)
