"""AWS, wherever it is asked: a client of a service, and what botocore raises, in one line that says what to do.

A door adds what it alone knows: the store which object is missing, a queue that it is not there.
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from mycelium.errors import DeploymentError, UserInputError
from mycelium.settings import read_settings

UNKNOWN = frozenset(
    (
        "AuthFailure",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
)
"""What services call credentials that nobody has, or whose secret is another."""

EXPIRED = frozenset(("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"))
"""What services call credentials whose time is over."""


def make_session() -> Any:  # noqa: ANN401 - boto3 is not typed
    """Return a session of the environment's credentials and region."""
    import boto3  # noqa: PLC0415 - only the cloud pays for it

    return boto3.Session(region_name=read_settings().region)


def make_config() -> Any:  # noqa: ANN401 - botocore is not typed
    """Return how every client of ours asks: again after a failure that can heal, and not for ever."""
    from botocore.config import Config  # noqa: PLC0415 - only the cloud pays for it

    return Config(retries={"mode": "standard"}, connect_timeout=10, tcp_keepalive=True)


def make_client(service: str, region: str | None = None) -> Any:  # noqa: ANN401 - boto3 is not typed
    """Return a client of a service, from the environment's credentials, in its region if none is given.

    Raises:
        DeploymentError: there is no region, or no such profile.
    """
    with calling_aws(service):
        return make_session().client(service, region_name=region, config=make_config())


@contextlib.contextmanager
def calling_aws(what: str) -> Iterator[None]:
    """Turn botocore's errors into one of ours.

    Args:
        what: what is asked, for the message: ``queue https://…``, say.

    Raises:
        DeploymentError: botocore has raised something.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only the cloud pays for it

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(f"{what}: {describe_refusal(error)}") from None


def describe_refusal(error: Exception) -> str:
    """Return what botocore has raised, in words that say what to do.

    Args:
        error: a `BotoCoreError` or a `ClientError`.
    """
    from botocore import exceptions  # noqa: PLC0415 - only the cloud pays for it

    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return f"AWS credentials are needed ({error}): set AWS_PROFILE, or run `aws configure`"
    if isinstance(error, exceptions.NoRegionError):
        return "set AWS_REGION to the region that it is in; none is set"
    if isinstance(error, exceptions.EndpointConnectionError | exceptions.InvalidRegionError):
        return f"AWS can't be reached: {error}; is AWS_REGION a region, and the network up?"
    if isinstance(error, exceptions.ClientError):
        return _describe_answer(error)
    return f"AWS can't be used: {error}"


def _describe_answer(error: Any) -> str:  # noqa: ANN401 - botocore is not typed
    code, said = error_code(error), error.response.get("Error", {}).get("Message", "")
    if code in EXPIRED:
        return f"the AWS credentials have expired ({code}): log in again"
    if code in UNKNOWN:
        return f"AWS does not know these credentials ({code}): check AWS_PROFILE"
    return f"AWS refuses {error.operation_name}: {code}: {said}"


def error_code(error: Any) -> str:  # noqa: ANN401 - botocore is not typed
    """Return the service's own word for a `ClientError`; empty if it gave none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_no_queue(error: Any) -> bool:  # noqa: ANN401 - botocore is not typed
    """Return whether a `ClientError` of SQS says that there is no such queue, in either of its protocols."""
    code = error_code(error)
    return "NonExistentQueue" in code or "QueueDoesNotExist" in code


@contextlib.contextmanager
def calling_queue(url: str, no_queue: str) -> Iterator[None]:
    """Turn what botocore raises of a queue into one of ours.

    Args:
        url: the queue's.
        no_queue: what is said where there is no such queue: where it was looked for, and what to do.

    Raises:
        DeploymentError: botocore has raised something.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - only the cloud pays for it

    with calling_aws(f"queue {url}"):
        try:
            yield
        except ClientError as error:
            if not is_no_queue(error):
                raise
            raise DeploymentError(f"there is no queue {url} {no_queue}") from None


def region_of(queue: str, wanted: str | None) -> str | None:
    """Return the region that a queue is in: the one that its URL names, else the one that is set.

    Args:
        queue: the queue's URL.
        wanted: the region that is set; None if none is.

    Raises:
        UserInputError: this is no URL of a queue, or one of another region than is set.
    """
    parts = urlsplit(queue)
    if parts.scheme not in {"http", "https"} or parts.path.count("/") < 2:
        raise UserInputError(
            f"--queue is a URL such as https://sqs.us-east-1.amazonaws.com/123456789012/NAME; got {queue!r}"
        )
    host = (parts.hostname or "").split(".")
    region = host[1] if host[0] == "sqs" and len(host) > 3 else None
    if region and wanted and region != wanted:
        raise UserInputError(f"the queue is in {region}, and AWS_REGION is {wanted}: set AWS_REGION={region}")
    return region or wanted
