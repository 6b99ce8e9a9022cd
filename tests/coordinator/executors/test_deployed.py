"""The executors of what was deployed: what comes of them, and what a run here does not pay for."""

import resource
import subprocess
import sys

import boto3
import pytest

from coordinator.cost.prices import LIST_PRICES
from coordinator.deployment import Deployment
from coordinator.executors.deployed import SPARE_FILES, choose_deployed, raise_file_limit
from lambdas.stages.heartbeat import STAGE
from mycelium.deployment import architecture_parameter
from mycelium.events import Observer
from mycelium.manifest import Outcome
from tests.coordinator.executors.test_aws_lambda import publish


def test_functions_reduce_for_either_and_the_store_is_the_deployment_s(deployment: Deployment) -> None:
    publish(deployment)
    for name in ("lambda", "step-functions"):
        executor, functions, store = choose_deployed(name, STAGE, "mycelium", None, None, backs_up=True)
        assert executor.name == name
        assert functions.name == "lambda"
        assert store == f"s3://{deployment.bucket}"


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_are_priced_and_noted_by_the_processor_that_was_deployed(
    architecture: str, deployment: Deployment
) -> None:
    publish(deployment)
    client, name, observer = boto3.client("ssm"), architecture_parameter("mycelium"), Observer()
    client.put_parameter(Name=name, Value=architecture, Type="String", Overwrite=True)
    try:
        _, functions, _ = choose_deployed("lambda", STAGE, "mycelium", None, observer, backs_up=True)
    finally:
        client.delete_parameter(Name=name)  # the others' deployment is of the same cloud, and says none
    assert functions.notes()["architecture"] == architecture
    assert observer.price is not None
    hour = observer.price(Outcome("00000", "done", started_s=1.0, billed_ms=3_600_000, attempts=1))
    seconds_alone = 3600 * STAGE.memory_mb / 1024 * LIST_PRICES.on(architecture).gb_s
    assert hour == pytest.approx(seconds_alone, rel=0.01)  # and one request


def test_a_file_may_be_open_for_each_connection_as_far_as_the_system_lets_it() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_file_limit(10)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) >= (min(soft, 10 + SPARE_FILES), hard)


def test_a_run_here_does_not_import_what_a_run_in_the_cloud_needs() -> None:
    of_the_cloud = {"boto3", "coordinator.executors.aws_lambda", "coordinator.executors.step_functions"}
    asked = f"import sys, coordinator.executors.choose; print([n for n in sys.modules if n in {of_the_cloud}])"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=300)
    assert answer.stdout.strip() == "[]"
