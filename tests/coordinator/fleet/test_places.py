"""A fleet is found by its deployment, or by the queue that is named; what is missing says what to deploy."""

import boto3
import pytest

from coordinator.fleet.places import Places, find_places
from mycelium.deployment import bucket_parameter
from mycelium.errors import DeploymentError, UserInputError
from tests.coordinator.fleet.conftest import Deployed


def test_a_deployment_says_where_all_is(deployed: Deployed) -> None:
    assert find_places(deployed.deployment) == deployed.places


def test_no_deployment_and_no_gpu_side_say_what_to_deploy(aws: str) -> None:
    with pytest.raises(DeploymentError, match=r"no deployment 'nowhere' in region us-east-1 .*run `cdk deploy`"):
        find_places("nowhere")
    boto3.client("ssm").put_parameter(Name=bucket_parameter("half"), Value="data", Type="String")
    with pytest.raises(DeploymentError, match=r'no GPU side: run `cdk deploy "gpu/\*"`'):
        find_places("half")


def test_another_region_has_another_deployment(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    with pytest.raises(DeploymentError, match="in region eu-west-3"):
        find_places(deployed.deployment)


def test_a_queue_of_one_s_own_needs_no_deployment(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:4566/123456789012/q"
    assert find_places("nowhere", url) == Places("us-east-1", url)
    real = "https://sqs.eu-west-3.amazonaws.com/123456789012/q"
    assert find_places("nowhere", real).region == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(UserInputError, match="set AWS_REGION=eu-west-3"):
        find_places("nowhere", real)
    with pytest.raises(UserInputError, match="--queue is a URL such as"):
        find_places("nowhere", "my-queue")
