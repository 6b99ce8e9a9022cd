"""Pipelines over real stages: what is missing runs, once; what a limit and a setting change; what a mistake says."""

from pathlib import Path

import pytest

from coordinator.pipeline.pipeline import Request, plan_pipeline, read_settings, run_planned
from lambdas.stages import find_stage
from lambdas.stages.steps import StepsParams
from mycelium.datasets import PROBLEMS
from mycelium.errors import UserInputError
from mycelium.manifest import Manifest
from mycelium.store import LocalStore
from tests.builders import build_run, make_computing_problems

STAGES = {"steps": find_stage("steps")}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    opened = LocalStore(tmp_path / "store")
    build_run(opened, [make_computing_problems(4, first=4 * i) for i in range(3)], PROBLEMS)
    return opened


def run(store: LocalStore, *targets: str, limit: int | None = None) -> dict[str, Manifest]:
    planned = plan_pipeline(Request(targets, store=store.uri, max_workers=1, limit=limit))
    return run_planned(planned, quiet=True).manifests


def test_all_that_leads_to_a_stage_runs(store: LocalStore) -> None:
    manifests = run(store, "labels")
    assert list(manifests) == ["steps", "labels"]
    assert all(manifest.complete for manifest in manifests.values())
    assert manifests["labels"].inputs == (f"steps/{manifests['steps'].run_id}",)
    assert manifests["labels"].result["totals"][0]["steps"] == 24


def test_what_is_there_is_not_made_again(store: LocalStore) -> None:
    before = run(store, "steps")["steps"]
    after = run(store, "labels")["steps"]
    assert after == before  # the same manifest, not a second one
    planned = plan_pipeline(Request(("labels",), store=store.uri))
    assert [(expected.n_chunks, expected.n_found) for expected in planned.expected] == [(3, 3), (3, 3)]


def test_a_plan_tells_what_can_be_known_before(store: LocalStore) -> None:
    planned = plan_pipeline(Request(("labels",), store=store.uri))
    steps, labels = planned.expected
    assert (steps.n_chunks, steps.n_found, steps.wall_s, steps.usd) == (3, 0, None, None)
    assert (labels.n_chunks, labels.n_found, labels.reads) == (3, None, ("steps of steps",))
    run(store, "labels", limit=4)
    steps, labels = plan_pipeline(Request(("labels",), store=store.uri)).expected
    assert steps.wall_s is not None
    assert labels.usd is not None


def test_a_limit_makes_runs_of_their_own(store: LocalStore) -> None:
    few, all_of_them = run(store, "labels", limit=5), run(store, "labels")
    assert (few["labels"].n_chunks, all_of_them["labels"].n_chunks) == (2, 3)
    assert few["labels"].run_id != all_of_them["labels"].run_id


def test_settings_are_read_by_the_stages_own_types() -> None:
    assert read_settings(["steps.mentions=true"], STAGES) == {"steps": StepsParams(mentions=True)}
    assert read_settings([], STAGES) == {"steps": StepsParams()}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("steps.mentions", "takes STAGE.NAME=VALUE"),
        ("mentions=1", "takes STAGE.NAME=VALUE"),
        ("steps.mention=1", "steps has the parameters mentions"),
        ("steps.mentions=perhaps", "Expected `bool`"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, said: str) -> None:
    with pytest.raises(UserInputError, match=said):
        read_settings([setting], STAGES)


def test_a_setting_of_a_stage_that_does_not_run_is_refused(store: LocalStore) -> None:
    with pytest.raises(UserInputError, match="the stages of this pipeline are steps, labels"):
        plan_pipeline(Request(("labels",), store=store.uri, settings=("heartbeat.min_run=4",)))


def test_what_no_stage_makes_is_asked_for(store: LocalStore) -> None:
    with pytest.raises(UserInputError, match="`python -m gpu_workers extract` makes it"):
        plan_pipeline(Request(("heartbeat",), store=store.uri))


def test_a_cloud_executor_wants_its_store_in_s3(store: LocalStore) -> None:
    with pytest.raises(UserInputError, match="needs its stores in S3"):
        plan_pipeline(Request(("labels",), store=store.uri, executor="lambda"))
