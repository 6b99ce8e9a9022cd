"""Who has which task: what is bounded, and what the consumer hears of errors. Runs of them are in test_local.py."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.executors import hands
from coordinator.executors.hands import AHEAD, Hands
from coordinator.executors.mark import Mark
from mycelium.errors import StoreNotAvailableError
from mycelium.manifest import Outcome
from mycelium.schema import Provenance
from mycelium.task import Task, TaskResult

OF = Provenance("gsm8k", "GSM8K", "none")
TASKS = [Task(f"{i:05d}", "run-1", "heartbeat", {}, (), OF, OF) for i in range(100)]
STORES = ("/source", "/target")


class FakeBench:
    """Does at once what is asked."""

    def __init__(self, task: Task, stores: tuple[str, str]) -> None:
        assert (task, stores) == (TASKS[0], STORES)

    def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
        return [TaskResult(Outcome(task.chunk_id, "done", wall_s=1.0)) for task in tasks]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "Bench", FakeBench)
    monkeypatch.setattr(hands, "PATIENCE_S", 1e6)
    monkeypatch.setattr(hands, "workers_pay", lambda *_: False)


def make_hands(tmp_path: Path, tasks: Sequence[Task] = TASKS, n_threads: int = 3) -> Hands:
    return Hands(tasks, STORES, 2, n_threads, Mark("run-1", "/target", tmp_path))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_every_task_gives_one_result_and_nothing_is_left(tmp_path: Path, n_threads: int) -> None:
    before = threading.active_count()
    found = [result.outcome.chunk_id for result in make_hands(tmp_path, n_threads=n_threads).results(keep=False)]
    assert sorted(found) == [task.chunk_id for task in TASKS]
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_nobody_runs_far_ahead_of_who_takes_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "choose_batch", lambda *_: 1)
    under_way = make_hands(tmp_path)
    results = under_way.results(keep=False)
    for n_taken in range(1, len(TASKS) + 1):
        next(results)
        # What the consumer was handed, of which it has come back for all but the last portion; and what is in hand.
        assert under_way._n_taken <= n_taken + 2 * (AHEAD * 3 + 3)
    assert list(results) == []


@pytest.mark.parametrize("error", [StoreNotAvailableError("the disk is full"), MemoryError()])
def test_what_is_no_task_s_failure_is_raised_to_who_takes_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Fails(FakeBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            if any(task.chunk_id == "00050" for task in tasks):
                raise error
            return super().run_all(tasks)

    monkeypatch.setattr(hands, "Bench", Fails)
    with pytest.raises(type(error)):
        list(make_hands(tmp_path).results(keep=False))
    assert list(tmp_path.iterdir()) == []


def test_the_mark_says_what_is_in_hand_before_it_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = make_hands(tmp_path)
    looked: list[bool] = []

    class Looks(FakeBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            marked = under_way.mark.path.read_text().split()[1:]
            looked.append({task.chunk_id for task in tasks} <= set(marked))
            return super().run_all(tasks)

    monkeypatch.setattr(hands, "Bench", Looks)
    assert len(list(under_way.results(keep=False))) == len(TASKS)
    assert all(looked)


def test_what_a_dead_coordinator_had_in_hand_is_for_a_worker_and_only_outputs_that_are_there_are_read_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [replace(task, found=i < 20) for i, task in enumerate(TASKS)]
    under_way = make_hands(tmp_path, tasks)
    monkeypatch.setattr(under_way.mark, "make", lambda: frozenset({"00003", "00030"}))
    careful = threading.Event()
    here: list[str] = []

    class Looks(FakeBench):
        def __init__(self, task: Task, stores: tuple[str, str]) -> None:
            super().__init__(TASKS[0], stores)

        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            here.extend(task.chunk_id for task in tasks)
            assert careful.is_set() or all(task.found for task in tasks)
            if len(here) == 19:
                careful.set()
            return super().run_all(tasks)

    def run_apart(apart: Sequence[Task], stores: tuple[str, str]) -> list[TaskResult]:
        assert careful.wait(300)  # all that is known to be safe is read by then
        assert [task.chunk_id for task in apart] == ["00003", "00030"]
        return FakeBench(TASKS[0], stores).run_all(apart)

    monkeypatch.setattr(hands, "Bench", Looks)
    monkeypatch.setattr(hands, "_run_one_by_one", run_apart)
    found = sorted(result.outcome.chunk_id for result in under_way.results(keep=False))
    assert found == [task.chunk_id for task in TASKS]
    assert sorted(here) == [task.chunk_id for task in TASKS if task.chunk_id not in {"00003", "00030"}]
