"""`run-pipeline --max-cost`: all stages together stay within it, and the same command with more does the rest."""

from collections import Counter

import pytest

from coordinator.cost.evidence import read_history
from coordinator.cost.planned import make_limit
from coordinator.cost.prices import LIST_PRICES
from coordinator.deployment import Deployment
from coordinator.executors.choose import Chosen
from coordinator.pipeline import pipeline
from coordinator.pipeline.conduct import Conducted, Stop
from coordinator.pipeline.pipeline import Request, check_cost, plan_pipeline, run_planned
from lambdas.stages import find_stage
from mycelium.datasets import PROBLEMS
from mycelium.errors import UserInputError
from mycelium.manifest import find_run
from mycelium.plan import plan_run
from mycelium.store import S3Store
from tests.builders import build_run, make_computing_problems
from tests.coordinator.cost.test_on_lambda import BILLED_S
from tests.coordinator.executors.conftest import make_lambda
from tests.coordinator.executors.stub import StubCloud

N_CHUNKS = 24


@pytest.fixture
def store(bucket: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """Problems in a bucket, and a cloud that pipelines run in."""

    def choose(*_: object, **__: object) -> Chosen:
        executor = make_lambda(deployment)
        return Chosen(executor, executor)

    monkeypatch.setattr(pipeline, "choose_executor", choose)
    opened = S3Store(bucket)
    build_run(opened, [make_computing_problems(1, first=i) for i in range(N_CHUNKS)], PROBLEMS)
    return opened


def run(store: S3Store, usd: float | None) -> Conducted:
    request = Request(("labels",), store=store.uri, executor="lambda", max_cost=usd)
    planned = plan_pipeline(request)
    check_cost(planned)
    return run_planned(planned, quiet=True)


def full_timeouts_usd(store: S3Store) -> float:
    """Return what one task of `steps` may cost at the very most."""
    stage = find_stage("steps")
    plan = plan_run(store, store, stage, stage.params, [find_run(store, "gsm8k", "problems")])
    limit = make_limit(plan, "lambda", 1.0, read_history(store, stage, stage.params), LIST_PRICES)
    assert limit is not None
    return limit.ceiling_usd


def task_usd(name: str) -> float:
    """Return what a task of a stage costs on the stub: its time, its call, its GET and its PUTs."""
    stage = find_stage(name)
    n_written = len(stage.writes)
    return BILLED_S * float(stage.memory_mb) / 1024 * 0.0000133334 + 0.0000006 + 0.000005 * float(n_written)


def test_it_stops_what_it_does_not_pay_for_and_more_money_does_the_rest(store: S3Store, cloud: StubCloud) -> None:
    # Enough for every task of `steps`, a few at a time; what is left pays for no timeout of `labels`, which never ran.
    most = full_timeouts_usd(store) + (N_CHUNKS - 1) * task_usd("steps")
    stopped = run(store, most)
    assert stopped.manifests["steps"].complete
    assert not stopped.manifests["labels"].complete
    assert str(stopped.manifests["labels"].notes["stopped"]).endswith(f"and --max-cost is ${most:.3g}")
    n_labels = len(stopped.manifests["labels"].outcomes)
    assert N_CHUNKS * task_usd("steps") + n_labels * task_usd("labels") <= most
    done = run(store, None)
    assert all(manifest.complete for manifest in done.manifests.values())
    assert max(Counter(cloud.invoked).values()) <= 3  # each chunk once by each stage, and looked at once when found


def test_a_stage_that_was_stopped_says_so_to_what_reads_it(store: S3Store, cloud: StubCloud) -> None:
    stopped = run(store, full_timeouts_usd(store) * 0.9)
    assert stopped.stops == (Stop("labels", "steps was stopped"),)
    assert cloud.invoked == []


def test_what_it_surely_costs_is_refused_before_anything_is_paid_for(store: S3Store, cloud: StubCloud) -> None:
    run(store, None)
    build_run(
        store, [make_computing_problems(1, first=100 + i) for i in range(N_CHUNKS)], PROBLEMS, "gsm8k-b", finished_s=9e9
    )
    cloud.invoked.clear()
    with pytest.raises(UserInputError, match=r"below what this pipeline will cost: .* of 2 of its 2 stages; raise it"):
        run(store, 0.000001)
    assert cloud.invoked == []


def test_on_this_machine_nothing_is_billed_and_nothing_stopped(store: S3Store) -> None:
    planned = plan_pipeline(Request(("labels",), store=store.uri, max_cost=1e-9))
    check_cost(planned)
    assert all(expected.least_usd is None for expected in planned.expected)
