"""Finding what was deployed: whatever is wrong is one line and exit code 2."""

from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from coordinator.cli import coordinator
from coordinator.deployment import find_deployment
from mycelium.command import call_command
from mycelium.deployment import (
    architecture_parameter,
    bucket_parameter,
    function_parameter,
    reduce_parameter,
    version_parameter,
)
from mycelium.errors import DeploymentError
from mycelium.store import S3Store
from tests.builders import build_run, make_iaf

NAME = "mycelium"


@pytest.fixture
def publish(aws: str, bucket: str) -> Callable[..., None]:
    """Publish some of the parameters, and take away the others."""

    def put(deployment: str = NAME, version: str = "1.2.0+abcdef", *, without: tuple[str, ...] = ()) -> None:
        client = boto3.client("ssm")
        for name, value in {
            bucket_parameter(deployment): bucket,
            version_parameter(deployment): version,
            function_parameter(deployment, "heartbeat"): "the-heartbeat",
            reduce_parameter(deployment): "the-reduce",
            f"/{deployment}/state-machine": "arn:aws:states:us-east-1:1:stateMachine:the-map",
        }.items():
            if name not in without:
                client.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    return put


def test_everything_is_found_by_one_request(publish: Callable[..., None], bucket: str) -> None:
    publish("one")
    found = find_deployment("one", "heartbeat", version="1.2.0")
    assert found.architecture == ""  # deployed before it was said
    boto3.client("ssm").put_parameter(Name=architecture_parameter("one"), Value="x86_64", Type="String")
    assert find_deployment("one", "heartbeat", version="1.2.0").architecture == "x86_64"
    assert (found.bucket, found.function, found.reduce_function) == (bucket, "the-heartbeat", "the-reduce")
    assert found.state_machine.endswith(":the-map")
    assert (found.region, found.endpoint.region) == ("us-east-1", "us-east-1")
    assert found.endpoint.url.startswith("http://127.0.0.1:")


def test_a_stack_that_is_not_there_says_where_it_was_looked_for(publish: Callable[..., None]) -> None:
    publish("two")
    with pytest.raises(DeploymentError, match=r"no deployment 'three' in region us-east-1.*`cdk deploy`"):
        find_deployment("three", "heartbeat")


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_another_region_says_which(
    variable: str, publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("four")
    monkeypatch.setenv(variable, "eu-west-3")
    with pytest.raises(DeploymentError, match=r"region eu-west-3 .* or set AWS_REGION"):
        find_deployment("four", "heartbeat", version="1.2.0")


def test_a_stage_that_the_stack_has_not_is_named(publish: Callable[..., None]) -> None:
    publish("five", without=(function_parameter("five", "heartbeat"),))
    with pytest.raises(DeploymentError, match=r"'five' in region us-east-1 has no stage 'heartbeat': run `cdk deploy`"):
        find_deployment("five", "heartbeat", version="1.2.0")


@pytest.mark.parametrize(
    ("version", "advice"),
    [("1.10.0", "run `cdk deploy`"), ("1.1.9", "update this code"), ("1.2.1", "run `cdk deploy`")],
)
def test_another_version_than_the_code_s_says_which_is_older(
    publish: Callable[..., None], version: str, advice: str
) -> None:
    publish("six")
    with pytest.raises(DeploymentError, match=f"of version 1.2.0, and this code is {version}: {advice}"):
        find_deployment("six", "heartbeat", version=f"{version}+123")


def test_no_stage_in_particular_can_be_asked_for(publish: Callable[..., None], bucket: str) -> None:
    publish("seven")
    assert find_deployment("seven", None, version="1.2.0").bucket == bucket


@pytest.mark.parametrize("executor", ["lambda", "step-functions"])
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": "true"},
            "AWS credentials",
        ),
        ({"AWS_DEFAULT_REGION": None}, "set AWS_REGION"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS can't be reached"),
        ({"AWS_PROFILE": "no-such-profile"}, "no-such-profile"),
        ({}, "no deployment"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    executor: str,
    variables: dict[str, str | None],
    said: str,
    aws: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name, value in variables.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    arguments = ["run-stage", "heartbeat", "--executor", executor, "--deployment", "nowhere"]
    assert call_command(coordinator, "python -m coordinator", arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("error: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--executor", "lambda", "--max-workers", "2"], "give --max-concurrency"),
        (["--executor", "local", "--max-concurrency", "2"], "give --max-workers"),
        (["--executor", "lamda"], "did you mean lambda?"),
    ],
)
def test_options_of_another_executor_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_command(coordinator, "python -m coordinator", ["run-stage", "heartbeat", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_is_no_store_for_functions(
    publish: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.deployment.code_version", lambda: "1.2.0")
    publish("eight")
    command = ["run-stage", "heartbeat", "--executor", "lambda", "--deployment", "eight", "--store", str(tmp_path)]
    assert call_command(coordinator, "python -m coordinator", command) == 2
    assert "needs its stores in S3" in capsys.readouterr().err


def test_the_bucket_of_the_deployment_is_the_default_store(
    publish: Callable[..., None], bucket: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.deployment.code_version", lambda: "1.2.0")
    publish("nine")
    build_run(S3Store(bucket), [make_iaf()])
    command = ["run-stage", "heartbeat", "--executor", "lambda", "--deployment", "nine", "--dry-run"]
    assert call_command(coordinator, "python -m coordinator", command) == 0
    assert "to do:          1" in capsys.readouterr().out
