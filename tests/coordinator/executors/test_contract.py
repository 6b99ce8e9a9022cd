"""The contract over each executor."""

from pathlib import Path

import pytest

from coordinator.deployment import Deployment
from coordinator.executors.aws_lambda import LambdaExecutor
from coordinator.executors.invoke import Invoker
from coordinator.executors.local import LocalExecutor
from mycelium.reduce import Reducer
from mycelium.run import Executor
from mycelium.store import LocalStore, S3Store
from tests.coordinator.executors.conftest import make_lambda, make_states
from tests.coordinator.executors.contract import Bench, ExecutorContract, make_local
from tests.coordinator.executors.stub import FUNCTION, REDUCE_FUNCTION

GONE = "s3://mycelium-no-such-bucket"


class TestLocal(ExecutorContract):
    """Worker processes over a folder."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        (tmp_path / "file").touch()
        return Bench(LocalStore(tmp_path / "store"), lambda: make_local(2), str(tmp_path / "file" / "below"))


class TestLocalLeftToItself(ExecutorContract):
    """This process, and workers if they pay, over a folder."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        (tmp_path / "file").touch()

        def make() -> tuple[Executor, Reducer | None]:
            return LocalExecutor(cores=lambda: 2, marks=tmp_path / "marks"), None

        return Bench(LocalStore(tmp_path / "store"), make, str(tmp_path / "file" / "below"))


class TestLambda(ExecutorContract):
    """One invocation for each chunk, over S3."""

    @pytest.fixture
    def bench(self, deployment: Deployment) -> Bench:
        def make() -> tuple[Executor, Reducer | None]:
            executor = make_lambda(deployment)
            return executor, executor

        return Bench(S3Store(deployment.bucket, "some/prefix"), make, GONE)


class TestLambdaInThreads(ExecutorContract):
    """As above, over botocore's pool: how it is where there is a proxy."""

    @pytest.fixture
    def bench(self, deployment: Deployment) -> Bench:
        def make() -> tuple[Executor, Reducer | None]:
            return LambdaExecutor(Invoker(deployment.endpoint, 16, 20), FUNCTION, REDUCE_FUNCTION, 16), None

        return Bench(S3Store(deployment.bucket, "some/prefix"), make, GONE)


class TestStepFunctions(ExecutorContract):
    """One execution of a Distributed Map, over S3."""

    @pytest.fixture
    def bench(self, deployment: Deployment) -> Bench:
        return Bench(
            S3Store(deployment.bucket, "some/prefix"), lambda: (make_states(deployment), make_lambda(deployment)), GONE
        )
