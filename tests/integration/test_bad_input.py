"""What a person can get wrong about the cloud: one line each, and exit code 2."""

import uuid
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.deployment import (
    bucket_parameter,
    function_parameter,
    reduce_parameter,
    state_machine_parameter,
    version_parameter,
)
from tests.integration.cloud import Cloud

EXECUTORS = ["lambda", "step-functions"]
RUN = ["run-stage", "heartbeat", "--quiet"]


def check_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *said: str) -> None:
    """Hold a command line to one line that says what is wrong."""
    assert call_command(coordinator, "python -m coordinator", arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    for words in said:
        assert words in told


@pytest.fixture
def nobody(in_cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's credentials, wherever boto3 looks for some."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_credentials(nobody: None, executor: str, capsys: pytest.CaptureFixture[str]) -> None:
    check_refused(capsys, [*RUN, "--executor", executor], "AWS credentials", "`aws configure`")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_another_region_than_the_deployment_s(
    executor: str,
    variable: str,
    in_cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, "eu-west-3")
    check_refused(capsys, [*RUN, "--executor", executor], "no deployment", "in region eu-west-3", "set AWS_REGION")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_stack_that_is_not_deployed(executor: str, in_cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*RUN, "--executor", executor, "--deployment", "nowhere"]
    check_refused(capsys, words, "no deployment 'nowhere' in region us-east-1", "run `cdk deploy`")


def test_a_stage_that_there_is_not(in_cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    check_refused(capsys, ["run-stage", "hartbeat", "--executor", "lambda"], "did you mean heartbeat?")


@pytest.mark.parametrize(
    ("version", "without", "said"),
    [
        ("0", "", "is of version 0, and this code is"),  # before any release, and before none
        (None, "heartbeat", "has no stage 'heartbeat': run `cdk deploy`"),
    ],
)
def test_a_stack_of_older_code_or_without_the_stage(
    version: str | None, without: str, said: str, in_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"older-{uuid.uuid4().hex[:8]}"
    published = {
        bucket_parameter(name): in_cloud.bucket,
        version_parameter(name): version or in_cloud.parameter(version_parameter(in_cloud.deployment)),
        reduce_parameter(name): in_cloud.reduce_function,
        state_machine_parameter(name): in_cloud.state_machine,
    }
    if not without:
        published[function_parameter(name, "heartbeat")] = in_cloud.function
    ssm = in_cloud.client("ssm")
    for key, value in published.items():
        ssm.put_parameter(Name=key, Value=value, Type="String")
    try:
        for executor in EXECUTORS:
            check_refused(capsys, [*RUN, "--executor", executor, "--deployment", name], said, "run `cdk deploy`")
    finally:
        ssm.delete_parameters(Names=list(published))
