"""Choosing an executor by its name on the command line."""

import pytest

from coordinator.deployment import Deployment
from coordinator.executors.aws_lambda import LambdaExecutor
from coordinator.executors.backup import BACKUPS
from coordinator.executors.choose import EXECUTORS, check_cloud_store, choose_executor
from lambdas.stages.heartbeat import STAGE
from mycelium.errors import UserInputError
from tests.coordinator.executors.test_aws_lambda import publish


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_is_chosen_by_its_own_name(name: str, deployment: Deployment) -> None:
    publish(deployment)
    chosen = choose_executor(name, STAGE, "mycelium", max_workers=None, max_concurrency=None)
    assert chosen.executor.name == name
    assert (chosen.reducer is None) == (name == "local")
    assert chosen.store == (None if name == "local" else f"s3://{deployment.bucket}")


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
