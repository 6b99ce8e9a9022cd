"""Choosing an executor by its name on the command line."""

import pytest

from coordinator.cost.prices import LIST_PRICES
from coordinator.deployment import Deployment
from coordinator.executors.aws_lambda import LambdaExecutor
from coordinator.executors.backup import BACKUPS
from coordinator.executors.choose import check_cloud_store, choose_executor
from coordinator.options import EXECUTORS
from lambdas.stages.heartbeat import STAGE
from mycelium.errors import UserInputError
from mycelium.events import Observer
from mycelium.manifest import Outcome
from tests.coordinator.executors.test_aws_lambda import publish


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_is_chosen_by_its_own_name(name: str, deployment: Deployment) -> None:
    publish(deployment)
    chosen = choose_executor(name, STAGE, "mycelium", max_workers=None, max_concurrency=None)
    assert chosen.executor.name == name
    assert (chosen.reducer is None) == (name == "local")
    assert chosen.store == (None if name == "local" else f"s3://{deployment.bucket}")


@pytest.mark.parametrize(("name", "is_paid"), [("local", False), ("lambda", True), ("step-functions", True)])
def test_what_is_paid_for_has_a_price_for_who_watches(name: str, is_paid: bool, deployment: Deployment) -> None:
    publish(deployment)
    observer = Observer()
    choose_executor(name, STAGE, "mycelium", max_workers=None, max_concurrency=None, observer=observer)
    assert (observer.price is not None) == is_paid
    if observer.price is not None:
        said = observer.price(Outcome("00000", "done", started_s=1.0, billed_ms=1000, attempts=1))
        assert said is not None
        seconds_alone = STAGE.memory_mb / 1024 * LIST_PRICES.lambda_arm64_gb_s
        assert seconds_alone < said < 3 * seconds_alone  # and requests, and a transition


def test_functions_reach_no_folder() -> None:
    check_cloud_store("local", "/store")
    check_cloud_store("lambda", "s3://bucket")
    with pytest.raises(UserInputError, match="got /store"):
        check_cloud_store("lambda", "s3://bucket", "/store")


def test_backups_are_for_functions_and_may_be_left_out(deployment: Deployment) -> None:
    publish(deployment)
    none = {"max_workers": None, "max_concurrency": None}
    with pytest.raises(UserInputError, match="--backups is for the cloud executors"):
        choose_executor("local", STAGE, "mycelium", max_workers=None, max_concurrency=None, backups=True)
    assert choose_executor("local", STAGE, "mycelium", **none, backups=False).watch is None
    for backups, rule in ((None, BACKUPS), (True, BACKUPS), (False, None)):
        chosen = choose_executor("lambda", STAGE, "mycelium", **none, backups=backups)
        assert isinstance(chosen.executor, LambdaExecutor)
        assert chosen.executor._backups.rule is rule
        assert chosen.watch is chosen.executor
