"""Limits and costs over the real executor: calls over HTTP, objects at an S3 endpoint, a bill in each log tail."""

from collections import Counter

import pytest

from coordinator.cost.actual import actual_cost
from coordinator.cost.evidence import read_history
from coordinator.cost.limit import CostLimit
from coordinator.cost.planned import make_limit, make_pricer
from coordinator.cost.prices import LIST_PRICES
from coordinator.deployment import Deployment
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.manifest import Manifest, read_manifest
from mycelium.plan import Plan, plan_run
from mycelium.run import Until, run_plan
from mycelium.store import S3Store
from tests.builders import build_run, make_iaf
from tests.coordinator.executors.conftest import make_lambda, make_states
from tests.coordinator.executors.stub import StubCloud

BILLED_S = 0.113
"""What the stub bills for every invocation."""

ONE_USD = BILLED_S * STAGE.memory_mb / 1024 * 0.0000133334 + 0.0000002 + 0.0000004 + 0.000005
"""A task of one attempt: its time, its call, its GET and its PUT."""


def make_plan(store: S3Store, n_chunks: int = 30) -> Plan:
    inputs = build_run(store, [make_iaf((5,), layers=1, heads=1, seed=i) for i in range(n_chunks)]).manifest
    return plan_run(store, store, STAGE, HeartbeatParams(), [inputs])


def run(store: S3Store, plan: Plan, deployment: Deployment, limit: CostLimit | None) -> Manifest:
    executor = make_lambda(deployment)
    return run_plan(store, plan, executor, reducer=executor, quiet=True, until=Until(allowance=limit))


def make_known(store: S3Store, plan: Plan, max_tasks: float, per_task: float = 1.0) -> CostLimit:
    """Make a limit of so many times what a task costs, when many were seen at so many times that."""
    limit = make_limit(plan, "lambda", max_tasks * ONE_USD, read_history(store, STAGE, plan.params), LIST_PRICES)
    assert limit is not None
    limit.n_seen, limit.dearest_usd = 100, per_task * ONE_USD
    return limit


def test_a_run_that_is_stopped_has_paid_for_all_it_invoked_and_nothing_flies(
    bucket: str, cloud: StubCloud, deployment: Deployment
) -> None:
    store = S3Store(bucket)
    plan = make_plan(store)
    limit = make_known(store, plan, max_tasks=12.5, per_task=2.0)
    manifest = run(store, plan, deployment, limit)
    assert "--max-cost is" in str(manifest.notes["stopped"])
    assert sorted(cloud.invoked) == [outcome.chunk_id for outcome in manifest.outcomes]
    assert cloud.running == 0
    # Twice as dear as they are: 6 are started, then 3, 1, 1; what is left then pays for no further one at 2.
    assert len(manifest.outcomes) == 11
    assert limit.spent_usd == pytest.approx(11 * ONE_USD)
    assert limit.spent_usd <= limit.limit_usd


def test_what_is_tried_again_is_paid_for_too_and_the_same_command_carries_on(
    bucket: str, cloud: StubCloud, deployment: Deployment
) -> None:
    store = S3Store(bucket)
    plan = make_plan(store)
    cloud.script = lambda chunk_id, attempt: "crash" if chunk_id == "00002" and attempt < 3 else None
    limit = make_known(store, plan, max_tasks=10.0)
    manifest = run(store, plan, deployment, limit)
    # Ten were started; one of them took three attempts, each of which is billed but for its PUT.
    assert len(manifest.outcomes) == 10
    assert cloud.invoked.count("00002") == 3
    extra = 2 * (ONE_USD - 0.000005)
    assert limit.spent_usd == pytest.approx(10 * ONE_USD + extra)
    again = plan_run(store, store, STAGE, HeartbeatParams(), [read_manifest(store, "iaf", "gsm8k-aaaaaaaaaaaa")])
    done = run(store, again, deployment, make_known(store, again, max_tasks=100.0))
    assert (done.complete, "stopped" in done.notes) == (True, False)
    assert max(Counter(cloud.invoked).values()) == 3  # nothing that was done is invoked again
    assert len(cloud.invoked) == 30 + 2


def test_a_first_run_is_held_back_by_timeouts_until_it_has_seen_enough(
    bucket: str, cloud: StubCloud, deployment: Deployment
) -> None:
    store = S3Store(bucket)
    plan = make_plan(store)
    limit = make_limit(plan, "lambda", 0.1, read_history(store, STAGE, plan.params), LIST_PRICES)
    assert limit is not None
    assert limit.allow(30) == 7  # at 2 · 300 s each
    manifest = run(store, plan, deployment, limit)
    assert manifest.complete
    assert limit.spent_usd == pytest.approx(30 * ONE_USD)


def test_the_cost_of_a_run_is_the_bill_of_its_manifest(bucket: str, cloud: StubCloud, deployment: Deployment) -> None:
    store = S3Store(bucket)
    plan = make_plan(store, 9)
    manifest = run(store, plan, deployment, None)
    cost = actual_cost(manifest)
    # Two listings to plan, and the manifest.
    assert cost.usd == pytest.approx(9 * ONE_USD + 3 * 0.000005)
    assert cost.usage.gb_s == pytest.approx(9 * BILLED_S * STAGE.memory_mb / 1024)
    assert (cost.usage.lambda_requests, cost.usage.s3_gets, cost.usage.s3_puts) == (9, 9, 12)


def test_a_state_machine_s_run_counts_each_task_as_one_that_may_cost_most(
    bucket: str, cloud: StubCloud, deployment: Deployment
) -> None:
    store = S3Store(bucket)
    plan = make_plan(store)
    price = make_pricer("step-functions", STAGE.memory_mb, 1, LIST_PRICES)
    limit = CostLimit(12.0, price, ceiling_usd=1.0)
    states = make_states(deployment)
    manifest = run_plan(store, plan, states, reducer=make_lambda(deployment), quiet=True, until=Until(allowance=limit))
    assert len(manifest.outcomes) == 12
    assert limit.spent_usd == pytest.approx(12.0)
    assert len(cloud.executions) == 1
    assert sorted(cloud.invoked) == [outcome.chunk_id for outcome in manifest.outcomes]
