"""What a plan will take on each executor, and whether it may start under a limit."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from coordinator.cost.evidence import read_history
from coordinator.cost.limit import ENOUGH
from coordinator.cost.planned import (
    Ask,
    Places,
    check_limit,
    find_work,
    look_ahead,
    make_limit,
    make_pricer,
)
from coordinator.cost.prices import LIST_PRICES
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.errors import UserInputError
from mycelium.manifest import ObjectRef, Outcome, write_manifest
from mycelium.plan import Plan, plan_run
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf

PLACES = Places(max_workers=2, max_concurrency=1000, prices=LIST_PRICES)
OUTPUT = (ObjectRef("heartbeats", "heartbeats/run/00000.parquet", 100, "0" * 64),)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def make_plan(store: LocalStore, params: HeartbeatParams | None = None, n_chunks: int = 4) -> Plan:
    manifest = build_run(store, [make_iaf(seed=i) for i in range(n_chunks)]).manifest
    return plan_run(store, store, STAGE, params or HeartbeatParams(), [manifest])


def remember(store: LocalStore, *billed_ms: int, executor: str = "lambda") -> None:
    """Write the manifest of an earlier run on Lambda, of chunks of 1,000 bytes."""
    outcomes = tuple(
        Outcome(f"{i:05d}", "done", OUTPUT, bytes_read=1000, wall_s=ms / 1000, billed_ms=ms)
        for i, ms in enumerate(billed_ms)
    )
    manifest = build_run(store, [make_iaf()], run_id="other-aaaaaaaaaaaa").manifest
    made = replace(
        manifest,
        run_id="other-bbbbbbbbbbbb",
        stage=STAGE.name,
        stage_version=STAGE.version,
        params=msgspec.to_builtins(HeartbeatParams()),
        executor=executor,
        inputs=("iaf/gone-000000000000",),
        outcomes=outcomes,
    )
    write_manifest(store, made, STAGE.writes)


def test_the_work_is_what_is_not_there_yet_by_its_bytes(store: LocalStore) -> None:
    plan = make_plan(store)
    sizes = [task.inputs[0].size for task in plan.tasks]
    assert find_work(plan).sizes == sizes
    found = replace(plan, tasks=(replace(plan.tasks[0], found=True), *plan.tasks[1:]))
    work = find_work(found)
    assert (work.sizes, work.n_inputs, work.n_reads, work.n_outputs, work.n_chunks) == (sizes[1:], 1, 1, 1, 4)


def test_each_executor_is_told_of_from_what_ran_there(store: LocalStore) -> None:
    remember(store, *[1000] * 30)
    ahead = look_ahead(make_plan(store), store, Ask("local", only_plan=True), PLACES)
    here, there, machine = ahead.expected
    assert [one.executor for one in ahead.expected] == ["local", "lambda", "step-functions"]
    assert "30 chunks of 1 earlier run on Lambda" in there.source
    assert here.wall_s is not None
    assert there.usd is not None
    assert machine.usd is not None
    assert machine.usd.likely > there.usd.likely > 0
    assert here.usd is not None
    assert here.usd.high == 0


def test_a_probe_counts_before_what_ran_here_earlier_and_after_what_ran_on_lambda(store: LocalStore) -> None:
    remember(store, *[5000] * 30, executor="local")
    ahead = look_ahead(make_plan(store), store, Ask("local", probe=2, only_plan=True), PLACES)
    assert ahead.plan.n_found == 2
    assert all("a probe of 2 chunks" in one.source for one in ahead.expected)
    remember(store, *[5000] * 30)
    here, there, _ = look_ahead(make_plan(store), store, Ask("local", probe=1, only_plan=True), PLACES).expected
    assert "a probe of 1 chunk on" in here.source
    assert "on Lambda" in there.source


def test_a_run_that_surely_costs_more_than_it_may_is_not_started(store: LocalStore) -> None:
    remember(store, *[60_000] * 30)
    plan = make_plan(store)
    with pytest.raises(
        UserInputError, match=r"--max-cost \$0.001 is below what this run will cost, \$0.\d+ to \$0.\d+"
    ):
        look_ahead(plan, store, Ask("lambda", max_cost=0.001), PLACES)
    # It may be planned all the same, and run where it costs nothing.
    assert look_ahead(plan, store, Ask("lambda", max_cost=0.001, only_plan=True), PLACES).limit is not None
    assert look_ahead(plan, store, Ask("local", max_cost=0.001), PLACES).limit is None


def test_a_limit_below_what_one_chunk_may_cost_is_refused_unless_there_is_nothing_to_do(store: LocalStore) -> None:
    plan = make_plan(store)
    with pytest.raises(UserInputError, match="below what one chunk may cost until its timeout"):
        look_ahead(plan, store, Ask("lambda", max_cost=0.0001), PLACES)
    done = replace(plan, tasks=tuple(replace(task, found=True) for task in plan.tasks))
    assert look_ahead(done, store, Ask("lambda", max_cost=0.0001), PLACES).limit is not None


def test_the_dearest_chunk_of_the_past_says_what_one_may_cost(store: LocalStore) -> None:
    plan = make_plan(store)
    history = read_history(store, STAGE, plan.params, store)
    unknown = make_limit(plan, "lambda", 10.0, history, LIST_PRICES)
    assert unknown is not None
    assert unknown.per_task_usd == pytest.approx(2 * 300 * 1769 / 1024 * 0.0000133334, rel=0.01)
    remember(store, *[1000] * (ENOUGH - 1))
    few = make_limit(plan, "lambda", 10.0, read_history(store, STAGE, plan.params, store), LIST_PRICES)
    assert few is not None
    assert few.per_task_usd == unknown.per_task_usd
    remember(store, *[1000] * ENOUGH, 3000)
    known = make_limit(plan, "lambda", 10.0, read_history(store, STAGE, plan.params, store), LIST_PRICES)
    assert known is not None
    by_hand = 3 * 1769 / 1024 * 0.0000133334 + 0.0000002 + 2 * 0.0000004 + 0.000005
    assert known.per_task_usd == pytest.approx(by_hand)


def test_what_ran_here_says_nothing_of_what_one_may_cost_there(store: LocalStore) -> None:
    plan = make_plan(store)
    remember(store, *[1000] * 100, executor="local")
    limit = make_limit(plan, "lambda", 10.0, read_history(store, STAGE, plan.params, store), LIST_PRICES)
    assert limit is not None
    assert limit.per_task_usd == limit.ceiling_usd


def test_without_a_limit_or_a_bill_there_is_no_budget(store: LocalStore) -> None:
    plan = make_plan(store)
    history = read_history(store, STAGE, plan.params, store)
    assert make_limit(plan, "lambda", None, history, LIST_PRICES) is None
    assert make_limit(plan, "local", 1.0, history, LIST_PRICES) is None
    check_limit(plan, [], "lambda", None)


def test_what_a_state_machine_does_not_say_is_not_known() -> None:
    price = make_pricer("step-functions", 1769, 1, LIST_PRICES)
    assert price(Outcome("00000", "done", OUTPUT, attempts=0)) is None
    assert price(Outcome("00000", "found", OUTPUT, attempts=0)) == pytest.approx(0.0000004)
    on_lambda = make_pricer("lambda", 1024, 1, LIST_PRICES)(Outcome("00000", "done", OUTPUT, billed_ms=1000))
    assert on_lambda == pytest.approx(0.0000133334 + 0.0000002 + 0.0000004 + 0.000005)
