"""The contract of executors, over functions and a state machine that really run."""

import uuid

import pytest

from coordinator.deployment import find_deployment
from coordinator.executors.deployed import make_lambda_executor, make_step_functions_executor
from lambdas.stages.heartbeat import STAGE
from mycelium.reduce import Reducer
from mycelium.run import Executor
from mycelium.store import S3Store
from tests.coordinator.executors.contract import Bench, ExecutorContract
from tests.integration.cloud import MAX_CONCURRENCY, Cloud

pytestmark = pytest.mark.integration_long
GONE = "s3://mycelium-no-such-bucket"


def make_store(cloud: Cloud) -> S3Store:
    """Make a store of the test's own: a bucket, since functions reach no prefix in front of the datasets."""
    name = f"contract-{uuid.uuid4().hex[:12]}"
    cloud.client("s3").create_bucket(Bucket=name)
    return S3Store(name)


@pytest.fixture
def ours(in_cloud: Cloud) -> Cloud:
    """A cloud whose functions may use any bucket."""
    if not in_cloud.is_ours:
        pytest.skip("the functions' roles reach the data bucket and no other")
    return in_cloud


class TestLambda(ExecutorContract):
    """One invocation for each chunk."""

    @pytest.fixture
    def bench(self, ours: Cloud) -> Bench:
        found = find_deployment(ours.deployment, STAGE.name)

        def make() -> tuple[Executor, Reducer | None]:
            executor = make_lambda_executor(found, STAGE, MAX_CONCURRENCY)
            return executor, executor

        return Bench(make_store(ours), make, GONE)


class TestStepFunctions(ExecutorContract):
    """One execution of a Distributed Map."""

    @pytest.fixture
    def bench(self, ours: Cloud) -> Bench:
        found = find_deployment(ours.deployment, STAGE.name)

        def make() -> tuple[Executor, Reducer | None]:
            reducer = make_lambda_executor(found, STAGE, MAX_CONCURRENCY)
            return make_step_functions_executor(found, MAX_CONCURRENCY, reducer), reducer

        return Bench(make_store(ours), make, GONE)
