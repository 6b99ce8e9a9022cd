"""Who has which task: what is bounded, and what the consumer hears of errors. Runs of them are in test_local.py."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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


def make_hands(tmp_path: Path, tasks: Sequence[Task] = TASKS) -> Hands:
    return Hands(tasks, STORES, 2, True, Mark("run-1", "/target", tmp_path))


def test_every_task_gives_one_result_and_nothing_is_left(tmp_path: Path) -> None:
    before = threading.active_count()
    found = [result.outcome.chunk_id for result in make_hands(tmp_path).results(keep=False)]
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
        assert under_way._n_taken <= n_taken + 2 * (AHEAD + 1)
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


def test_the_others_go_on_however_long_a_careful_thread_takes_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = make_hands(tmp_path)  # no task is known to be safe
    monkeypatch.setattr(under_way.mark, "make", lambda: frozenset({"00000"}))
    run = Hands._run

    def run_and_linger(self: Hands, *given: Any, here: bool) -> None:
        run(self, *given, here=here)
        if any(task.chunk_id == "00000" for task in given[1]):
            time.sleep(0.5)  # the consumer has long come back for its result

    monkeypatch.setattr(Hands, "_run", run_and_linger)
    monkeypatch.setattr(hands, "_run_one_by_one", lambda tasks, stores: FakeBench(TASKS[0], stores).run_all(tasks))
    found: list[TaskResult] = []
    consumer = threading.Thread(target=lambda: found.extend(under_way.results(keep=False)), daemon=True)
    consumer.start()
    consumer.join(60)
    assert len(found) == len(TASKS)


class TinyBench(FakeBench):
    """Does what takes next to no time."""

    def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
        return [TaskResult(Outcome(task.chunk_id, "done", wall_s=1e-5)) for task in tasks]


def test_tiny_tasks_are_computed_by_who_takes_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: dict[str, int] = {}

    class Looks(TinyBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            computed.update({task.chunk_id: threading.get_ident() for task in tasks})
            return super().run_all(tasks)

    monkeypatch.setattr(hands, "Bench", Looks)
    found = [result.outcome.chunk_id for result in make_hands(tmp_path).results(keep=False)]
    assert sorted(found) == [task.chunk_id for task in TASKS]
    consumer = threading.get_ident()
    elsewhere = [chunk_id for chunk_id, thread in computed.items() if thread != consumer]
    assert 2 <= len(elsewhere) < 50  # those that said how long a task takes, and what that thread had taken by then
    assert computed["00099"] == consumer
    assert list(tmp_path.iterdir()) == []


def test_tasks_that_turn_out_long_go_back_to_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()

    class Grows(TinyBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            if tasks[0].chunk_id < "00050":
                return super().run_all(tasks)
            threads.add(threading.get_ident())
            return [TaskResult(Outcome(task.chunk_id, "done", wall_s=1.0)) for task in tasks]

    monkeypatch.setattr(hands, "Bench", Grows)
    monkeypatch.setattr(hands, "choose_batch", lambda *_: 1)
    assert len(list(make_hands(tmp_path).results(keep=False))) == len(TASKS)
    assert threads - {threading.get_ident()}


def test_while_the_consumer_is_long_at_a_batch_workers_start_on_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_done = threading.Event()
    consumer = threading.get_ident()
    by_workers: list[str] = []

    class Stuck(TinyBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            if threading.get_ident() == consumer:
                assert others_done.wait(300)
            return super().run_all(tasks)

    class FakeWorker:
        def __init__(self, task: Task, stores: tuple[str, str]) -> None: ...

        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            by_workers.extend(task.chunk_id for task in tasks)
            others_done.set()
            return TinyBench(TASKS[0], STORES).run_all(tasks)

        def close(self) -> None: ...

    monkeypatch.setattr(hands, "Bench", Stuck)
    monkeypatch.setattr(hands, "Worker", FakeWorker)
    monkeypatch.setattr(hands, "PATIENCE_S", 0.01)
    found = sorted(result.outcome.chunk_id for result in make_hands(tmp_path).results(keep=False))
    assert found == [task.chunk_id for task in TASKS]
    assert by_workers


def test_a_consumer_that_is_slow_to_come_back_starts_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "Bench", TinyBench)
    monkeypatch.setattr(Hands, "_patience_s", lambda _self: None)
    monkeypatch.setattr(hands, "PATIENCE_S", 0.1)
    monkeypatch.setattr(hands, "Worker", None)
    results = make_hands(tmp_path).results(keep=False)
    n = 0
    for result in results:
        n += 1
        if result.outcome.chunk_id == "00060":
            time.sleep(2.5)
    assert n == len(TASKS)


def test_with_one_core_the_watch_starts_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = threading.get_ident()

    class Slow(TinyBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            if threading.get_ident() == consumer:
                time.sleep(0.05)
            return super().run_all(tasks)

    monkeypatch.setattr(hands, "Bench", Slow)
    monkeypatch.setattr(hands, "PATIENCE_S", 0.001)
    monkeypatch.setattr(hands, "Worker", None)
    alone = Hands(TASKS, STORES, 1, True, Mark("run-1", "/target", tmp_path))
    assert len(list(alone.results(keep=False))) == len(TASKS)


def test_where_a_worker_is_there_nothing_more_is_begun_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_there = threading.Event()
    begun_too_late: list[str] = []

    class Looks(FakeBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            begun_too_late.extend(task.chunk_id for task in tasks if is_there.is_set())
            return super().run_all(tasks)

    class SlowWorker:
        def __init__(self, task: Task, stores: tuple[str, str]) -> None: ...

        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            is_there.set()
            time.sleep(0.005)
            return FakeBench(TASKS[0], STORES).run_all(tasks)

        def close(self) -> None: ...

    monkeypatch.setattr(hands, "Bench", Looks)
    monkeypatch.setattr(hands, "Worker", SlowWorker)
    monkeypatch.setattr(hands, "workers_pay", lambda pace, *_: pace.n_seen >= 2)
    monkeypatch.setattr(hands, "choose_batch", lambda *_: 1)
    assert len(list(make_hands(tmp_path).results(keep=False))) == len(TASKS)
    assert is_there.is_set()
    assert len(begun_too_late) <= 1  # the one that had been taken by then


def test_ctrl_c_in_a_task_that_the_consumer_computes_comes_out_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(TinyBench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            if any(task.chunk_id == "00080" for task in tasks):
                raise KeyboardInterrupt
            return super().run_all(tasks)

    monkeypatch.setattr(hands, "Bench", Interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        list(make_hands(tmp_path).results(keep=False))
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []
