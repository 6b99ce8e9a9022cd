"""What is asked before a run starts."""

from pathlib import Path
from typing import Any

from coordinator.stages.ahead import find_ahead
from lambdas.stages.heartbeat import STAGE
from mycelium.plan import Plan, plan_run
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf

NOTHING: dict[str, Any] = {"executor": "local", "max_workers": 1, "max_concurrency": None, "max_cost": None}


def make_plan(folder: Path) -> tuple[Plan, LocalStore]:
    folder.mkdir()
    store = LocalStore(folder)
    built = build_run(store, [make_iaf(seed=i) for i in range(3)])
    return plan_run(store, store, STAGE, STAGE.params, [built.manifest]), store


def test_where_nothing_is_asked_nothing_is_estimated(tmp_path: Path) -> None:
    plan, store = make_plan(tmp_path / "store")
    ahead = find_ahead(plan, store, NOTHING)
    assert (ahead.plan, ahead.expected, ahead.limit) == (plan, (), None)


def test_a_probe_is_done_and_the_estimate_comes_from_it(tmp_path: Path) -> None:
    plan, store = make_plan(tmp_path / "store")
    ahead = find_ahead(plan, store, NOTHING | {"dry_run": True, "probe": 2})
    assert (plan.n_found, ahead.plan.n_found) == (0, 2)
    assert [one.executor for one in ahead.expected] == ["local", "lambda", "step-functions"]
    assert all("a probe of 2 chunks" in one.source for one in ahead.expected)
