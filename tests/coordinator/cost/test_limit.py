"""A limit on cost: tasks are started only as far as it surely reaches, and what is under way has its money put by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cost.limit import ENOUGH, CostLimit
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.manifest import Outcome, read_manifest
from mycelium.plan import Plan, plan_run
from mycelium.run import Until, run_plan
from mycelium.schema import chunk_key
from mycelium.store import LocalStore
from mycelium.task import Task, TaskResult
from tests.builders import build_run, make_iaf


def cents(outcome: Outcome) -> float:
    """A price that is easily reckoned with: a dollar for every 1,000 ms billed."""
    return outcome.billed_ms / 1000


def make_outcome(ms: int, status: Literal["done", "found", "failed"] = "done") -> Outcome:
    return Outcome("00000", status, billed_ms=ms)


def make_limit(
    limit_usd: float, dearest_usd: float = 0.0, n_seen: int = ENOUGH, ceiling_usd: float = 10.0
) -> CostLimit:
    return CostLimit(limit_usd, cents, ceiling_usd, dearest_usd, n_seen)


def test_as_many_tasks_may_start_as_are_paid_for_at_the_price_of_the_dearest() -> None:
    assert make_limit(1.0, dearest_usd=0.1).allow(100) == 10
    assert make_limit(1.0, dearest_usd=0.1).allow(4) == 4
    assert make_limit(0.05, dearest_usd=0.1).allow(4) == 0
    assert make_limit(1.0, dearest_usd=0.3).allow(100) == 3


def test_before_enough_tasks_were_seen_one_may_cost_its_timeout() -> None:
    limit = make_limit(100.0, n_seen=0)
    assert limit.allow(1000) == 10
    for _ in range(ENOUGH - 1):
        limit.take(make_outcome(100))
    assert limit.allow(1000) == 9  # 98.10 are left
    limit.take(make_outcome(100))
    assert limit.allow(1000) == 980  # at 0.10


def test_what_was_spent_is_no_longer_there_and_a_dearer_task_makes_all_dearer() -> None:
    limit = make_limit(1.0, dearest_usd=0.1)
    limit.take(make_outcome(100))
    assert limit.allow(100) == 9
    limit.take(make_outcome(400, "failed"))  # a failure costs as well
    assert limit.spent_usd == pytest.approx(0.5)
    assert limit.allow(100) == 1
    assert limit.describe() == "$0.5 are spent, one more chunk may cost $0.4, and --max-cost is $1.00"


def test_a_chunk_that_was_there_is_paid_for_and_says_nothing_of_what_another_costs() -> None:
    limit = make_limit(1.0, dearest_usd=0.1)
    limit.take(make_outcome(500, "found"))
    assert (limit.per_task_usd, limit.allow(100)) == (0.1, 5)


def test_a_cost_that_nobody_says_counts_as_what_one_task_may_cost() -> None:
    limit = CostLimit(1.0, lambda _: None, ceiling_usd=0.25)
    limit.take(make_outcome(1))
    assert (limit.spent_usd, limit.n_seen, limit.allow(9)) == (0.25, 0, 3)


def test_where_nothing_is_billed_all_may_start() -> None:
    assert make_limit(1.0, dearest_usd=0.0).allow(1_000_000) == 1_000_000


@given(
    st.floats(0.001, 1000),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=200),
    st.booleans(),
)
def test_the_limit_is_never_passed_if_no_task_is_dearer_than_it_may_be(
    limit_usd: float, script: list[int], knows_before: bool
) -> None:
    """Whatever the tasks cost, up to what one may cost: the dearest seen before, or the ceiling."""
    dearest = max(script) / 1000
    limit = make_limit(limit_usd, dearest, ENOUGH if knows_before else 0, ceiling_usd=dearest)
    waiting = [make_outcome(ms) for ms in script]
    if not knows_before:
        waiting.sort(key=lambda outcome: -outcome.billed_ms)  # else a dear one may come when only cheap ones were seen
    while waiting and (n := limit.allow(len(waiting))):
        assert limit.spent_usd + n * limit.per_task_usd <= limit_usd
        for outcome in waiting[:n]:
            limit.take(outcome)
        waiting = waiting[n:]
        assert limit.spent_usd <= limit_usd * (1 + 1e-12)
    # And it does not stop before it must: no further one is surely paid for.
    assert not waiting or limit.spent_usd + limit.per_task_usd > limit_usd * (1 - 1e-12)


@given(st.lists(st.integers(0, 5000), max_size=50), st.floats(0.01, 100), st.floats(0, 100))
def test_a_higher_limit_never_allows_fewer(script: list[int], limit_usd: float, more_usd: float) -> None:
    lower, higher = make_limit(limit_usd, 0.1), make_limit(limit_usd + more_usd, 0.1)
    for ms in script:
        for limit in (lower, higher):
            limit.take(make_outcome(ms))
        assert lower.allow(1000) <= higher.allow(1000)


@dataclass
class Scripted:
    """Answers what a script says of each chunk; remembers which it was given together."""

    store: LocalStore
    ms: dict[str, int]
    given: list[list[str]] = field(default_factory=list)
    name: str = "lambda"

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        del source_uri, target_uri
        if tasks:
            self.given.append([task.chunk_id for task in tasks])
        for task in tasks:
            if not task.found:
                self.store.put(chunk_key(STAGE.writes[-1], task.run_id, task.chunk_id), b"done", mode="overwrite")
            status: Literal["found", "done"] = "found" if task.found else "done"
            ms = 0 if task.found else self.ms[task.chunk_id]
            yield TaskResult(Outcome(task.chunk_id, status, billed_ms=ms, attempts=1))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def make_plan(store: LocalStore, n_chunks: int = 10) -> Plan:
    manifest = build_run(store, [make_iaf(lengths=(5,), layers=1, heads=1)] * n_chunks).manifest
    return plan_run(store, store, STAGE, HeartbeatParams(), [manifest])


def test_a_run_is_started_as_far_as_its_limit_reaches_and_waits_for_what_is_under_way(store: LocalStore) -> None:
    plan = make_plan(store)
    executor = Scripted(store, {task.chunk_id: 100 for task in plan.tasks})
    limit = make_limit(1.0, dearest_usd=0.2)
    manifest = run_plan(store, plan, executor, quiet=True, until=Until(allowance=limit))
    # Five at 0.20 are surely paid for and cost 0.50; the other half buys two more, and so on until 0.20 are not left.
    assert [len(together) for together in executor.given] == [5, 2, 1, 1]
    assert limit.spent_usd == pytest.approx(0.9)
    assert not manifest.complete
    assert len(manifest.outcomes) == 9  # all that was started is in the record
    assert manifest.notes["stopped"] == "$0.9 are spent, one more chunk may cost $0.2, and --max-cost is $1.00"
    assert read_manifest(store, "heartbeats", plan.run_id).notes == manifest.notes


def test_the_same_command_with_a_higher_limit_does_what_is_left_and_no_more(store: LocalStore) -> None:
    plan = make_plan(store)
    script = {task.chunk_id: 100 for task in plan.tasks}
    run_plan(store, plan, Scripted(store, script), quiet=True, until=Until(allowance=make_limit(0.4, 0.1)))
    again = plan_run(store, store, STAGE, HeartbeatParams(), [read_manifest(store, "iaf", "gsm8k-aaaaaaaaaaaa")])
    assert again.n_found == 4
    executor = Scripted(store, script)
    manifest = run_plan(store, again, executor, quiet=True, until=Until(allowance=make_limit(2.0, 0.1)))
    assert [len(together) for together in executor.given] == [4, 6]  # what is there, and the rest together
    assert manifest.complete
    assert "stopped" not in manifest.notes


def test_a_limit_that_is_high_enough_changes_nothing(store: LocalStore) -> None:
    plan = make_plan(store)
    executor = Scripted(store, {task.chunk_id: 100 for task in plan.tasks})
    manifest = run_plan(store, plan, executor, quiet=True, until=Until(allowance=make_limit(5.0, 0.5)))
    assert [len(together) for together in executor.given] == [10]
    assert manifest.complete


def test_a_run_that_spends_its_limit_with_its_last_chunk_is_complete(store: LocalStore) -> None:
    plan = make_plan(store, 4)
    executor = Scripted(store, {task.chunk_id: 250 for task in plan.tasks})
    manifest = run_plan(store, plan, executor, quiet=True, until=Until(allowance=make_limit(1.0, 0.25)))
    assert manifest.complete
    assert "stopped" not in manifest.notes
