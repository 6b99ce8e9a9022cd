"""One LocalStack for the session, with the real stack deployed into it by the real CDK.

With MYCELIUM_INTEGRATION_ENDPOINT the suite runs elsewhere: `http://…` is an endpoint, a LocalStack in Docker, say;
`aws` is the account that the environment's credentials belong to, where this costs money. There everything has a name
of its own, and is destroyed at the end with its data.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from localstack_process_executor.launcher import LauncherError, LocalStack

from infra.packaging import ROOT
from mycelium.deployment import DEFAULT_DEPLOYMENT
from tests.integration.cloud import Cloud, what_is_missing
from tests.integration.deployed import Deployed, SampleRun, deploy, extract_sample
from tests.integration.faults import FaultyDeployment, deploy_faulty, make_code

ENDPOINT_VARIABLE = "MYCELIUM_INTEGRATION_ENDPOINT"
REAL_ACCOUNT = "aws"
ROOT_VARIABLE = "LOCALSTACK_ROOT"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here, and let the destruction come last."""
    here = [item for item in items if HERE in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.integration)
    last = [item for item in here if item.get_closest_marker("last")]
    items[:] = [item for item in items if item not in last] + last


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    figures = [value for r in reports for name, value in getattr(r, "user_properties", ()) if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for figure in dict.fromkeys(figures):
            terminalreporter.write_line(str(figure))


def give_up(reason: str) -> None:
    """Fail where tests must run, and skip elsewhere, saying why."""
    message = f"the LocalStack suite can't run here: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The endpoint, with nothing deployed yet."""
    if missing := what_is_missing():
        give_up(missing)
    scratch = tmp_path_factory.mktemp("cdk")
    if elsewhere := os.environ.get(ENDPOINT_VARIABLE):
        yield Cloud(describe_endpoint(elsewhere), f"mycelium-it-{uuid.uuid4().hex[:6]}", scratch, is_ours=False)
        return
    localstack = LocalStack(os.environ.get(ROOT_VARIABLE) or ROOT / ".cache" / "localstack")
    try:
        localstack.start()
    except LauncherError as error:
        give_up(str(error))
    try:
        yield Cloud(localstack.environment(), DEFAULT_DEPLOYMENT, scratch, is_ours=True)
    finally:
        localstack.stop()


def describe_endpoint(elsewhere: str) -> dict[str, str]:
    """Return what a program must find in its environment to use an endpoint that is there already."""
    given = {name: value for name, value in os.environ.items() if name.startswith("AWS_") and "ENDPOINT" not in name}
    region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or "us-east-1"
    given |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    if elsewhere == REAL_ACCOUNT:
        return given
    return {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"} | given | {"AWS_ENDPOINT_URL": elsewhere}


@pytest.fixture(scope="session")
def deployed(cloud: Cloud) -> Iterator[Deployed]:
    """The stack, deployed as docs/deploy.md says."""
    stack = deploy(cloud)
    yield stack
    stack.destroy()
    if not cloud.is_ours:
        stack.delete_bucket()


@pytest.fixture
def in_cloud(cloud: Cloud, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The environment of this process as a person's at work in that cloud."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MYCELIUM_"))]:
        monkeypatch.delenv(name)
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    return cloud


@pytest.fixture(scope="session")
def sample(cloud: Cloud, deployed: Deployed) -> SampleRun:
    """Eight chunks of the sample's problems, read by the sample's teacher."""
    return extract_sample(cloud, "short", n_problems=8, chunk_size=1)


@pytest.fixture(scope="session")
def large_sample(cloud: Cloud, deployed: Deployed) -> SampleRun:
    """As many chunks as the issue asks for: 117."""
    return extract_sample(cloud, "long", n_problems=117, chunk_size=1)


@pytest.fixture(scope="session")
def faulty_code(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The zip of a function that fails by a table."""
    return make_code(tmp_path_factory.mktemp("faulty"))


@pytest.fixture
def faulty(cloud: Cloud, deployed: Deployed, faulty_code: bytes) -> Iterator[FaultyDeployment]:
    """A deployment whose heartbeat fails by a table."""
    with deploy_faulty(cloud, faulty_code) as deployment:
        yield deployment
