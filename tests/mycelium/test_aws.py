"""What botocore raises becomes one line that says what to do, whoever asked."""

from typing import Any

import boto3
import pytest
from botocore import exceptions

from mycelium.aws import calling_aws, calling_queue, describe_refusal, error_code, is_no_queue, make_client, region_of
from mycelium.errors import DeploymentError, UserInputError


def refuse(code: str, said: str = "told to") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": said}}, "ReceiveMessage")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (exceptions.NoCredentialsError(), "AWS credentials are needed .*: set AWS_PROFILE, or run `aws configure`"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="key"), "AWS credentials are needed"),
        (exceptions.NoRegionError(), "set AWS_REGION"),
        (exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "AWS can't be reached: .*127.0.0.1:9"),
        (exceptions.InvalidRegionError(region_name="nowhere!"), "is AWS_REGION a region"),
        (exceptions.ReadTimeoutError(endpoint_url="http://127.0.0.1:9"), "AWS can't be used: Read timeout"),
        (refuse("ExpiredToken"), r"credentials have expired \(ExpiredToken\): log in again"),
        (refuse("ExpiredTokenException"), "credentials have expired"),
        (
            refuse("InvalidClientTokenId"),
            r"not know these credentials \(InvalidClientTokenId\): check AWS_PROFILE",
        ),
        (refuse("InvalidAccessKeyId"), "does not know these credentials"),
        (refuse("AccessDenied", "no"), "AWS refuses ReceiveMessage: AccessDenied: no$"),
        (exceptions.ClientError({}, "ReceiveMessage"), "AWS refuses ReceiveMessage: : $"),
    ],
)
def test_a_foreign_error_is_ours_and_says_what_to_do(error: Exception, advice: str) -> None:
    with pytest.raises(DeploymentError, match=f"^queue it: .*{advice}") as caught, calling_aws("queue it"):
        raise error
    assert "\n" not in str(caught.value)


def test_every_error_of_botocore_has_words() -> None:
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    plain: list[Any] = [kind for kind in kinds if issubclass(kind, exceptions.BotoCoreError)]
    assert len(plain) > 50
    for kind in plain:
        error = kind.__new__(kind)  # whatever it would be told
        error.args = ("what it says",)
        assert "what it says" in describe_refusal(error) or "AWS_REGION" in describe_refusal(error)


def test_another_error_goes_through() -> None:
    with pytest.raises(KeyError), calling_aws("queue it"):
        raise KeyError("a bug of ours")


def test_a_client_is_made_in_the_region_that_is_set(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_client("sqs", "eu-west-1").meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert make_client("sqs").meta.region_name == "eu-north-1"
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    with pytest.raises(DeploymentError, match="^sqs: set AWS_REGION"):
        make_client("sqs")


def test_a_queue_that_is_not_there_is_told_from_other_refusals(aws: str) -> None:
    client = boto3.client("sqs")
    with pytest.raises(exceptions.ClientError) as caught:
        client.get_queue_url(QueueName="none")
    assert is_no_queue(caught.value), error_code(caught.value)
    assert not is_no_queue(refuse("AccessDenied"))
    with pytest.raises(DeploymentError, match="no queue none here: make one"), calling_queue("none", "here: make one"):
        client.get_queue_url(QueueName="none")
    with pytest.raises(DeploymentError, match="^queue none: AWS refuses .*AccessDenied"), calling_queue("none", "here"):
        raise refuse("AccessDenied")


@pytest.mark.parametrize("url", ["", "queue", "s3://bucket/a/b", "https://sqs.us-east-1.amazonaws.com/1"])
def test_what_is_no_queue_s_url_is_said(url: str) -> None:
    with pytest.raises(UserInputError, match="--queue is a URL such as https://sqs"):
        region_of(url, None)


def test_the_region_is_the_url_s() -> None:
    assert region_of("https://sqs.eu-west-3.amazonaws.com/123456789012/q", None) == "eu-west-3"
    assert region_of("http://127.0.0.1:4566/123456789012/q", None) is None
    with pytest.raises(UserInputError, match="set AWS_REGION=eu-west-3"):
        region_of("https://sqs.eu-west-3.amazonaws.com/123456789012/q", "us-east-1")
