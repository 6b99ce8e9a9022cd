"""A stub of the cloud beside a real S3 endpoint, for tests of the cloud executors."""

import time
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest

from coordinator.deployment import Deployment, find_endpoint
from coordinator.executors.aws_lambda import LambdaExecutor
from coordinator.executors.deployed import make_step_functions_executor
from coordinator.executors.fly import Flyer
from coordinator.executors.retry import RETRY_TABLE, Kind, Rule
from coordinator.executors.step_functions import StepFunctionsExecutor
from lambdas import handler
from mycelium.events import Observer
from tests.coordinator.executors.stub import FUNCTION, MACHINE, REDUCE_FUNCTION, StubCloud, serve_stub

QUICK_TABLE: dict[Kind, Rule] = {
    kind: replace(rule, base_s=rule.base_s / 100, cap_s=rule.cap_s / 100) for kind, rule in RETRY_TABLE.items()
}
"""The table as it is, with waits a hundredth as long."""


@pytest.fixture
def cloud(aws: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubCloud]:
    """The stub, to which Lambda's and Step Functions' clients are pointed."""
    with serve_stub() as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", stub.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", stub.url)
        handler._open.cache_clear()
        yield stub
        handler._open.cache_clear()


@pytest.fixture
def deployment(cloud: StubCloud, bucket: str) -> Deployment:
    """What find_deployment would find."""
    endpoint = find_endpoint(boto3.Session())
    return Deployment("mycelium", "us-east-1", bucket, FUNCTION, REDUCE_FUNCTION, MACHINE, endpoint)


def make_lambda(deployment: Deployment, max_concurrency: int = 16, observer: Observer | None = None) -> LambdaExecutor:
    """Make the executor over the stub, with short waits."""
    return LambdaExecutor(
        Flyer(deployment.endpoint, 50),
        deployment.function,
        deployment.reduce_function,
        max_concurrency,
        table=QUICK_TABLE,
        observer=observer,
    )


def make_states(deployment: Deployment, *, may_start: bool = True, trace_id: str = "") -> StepFunctionsExecutor:
    """Make the executor over the stub, looking often."""
    executor = make_step_functions_executor(
        deployment, 16, make_lambda(deployment), may_start=may_start, trace_id=trace_id
    )
    executor._sleep = lambda _: time.sleep(0.05)
    return executor
