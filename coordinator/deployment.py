"""Find what `cdk deploy` made: one request for the SSM parameters that the stack publishes.

Whatever is wrong with credentials, region or stack is said here, in one line, before a run begins.
"""

import contextlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coordinator.executors.invoke import Endpoint, check_endpoint
from mycelium.deployment import (
    bucket_parameter,
    function_parameter,
    reduce_parameter,
    state_machine_parameter,
    version_parameter,
)
from mycelium.errors import DeploymentError
from mycelium.settings import read_settings

_REFUSED = {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "AuthFailure"}
_EXPIRED = {"ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired"}


@dataclass(frozen=True, slots=True)
class Deployment:
    """The deployed parts that one stage needs; those of no stage in particular where none was asked for.

    Attributes:
        name: what it was deployed as.
        region: where it is.
        bucket: the data bucket.
        function: the stage's function.
        reduce_function: the function that reduces parts.
        state_machine: ARN of the Distributed Map.
        endpoint: where Lambda is, and with which credentials.
    """

    name: str
    region: str
    bucket: str
    function: str
    reduce_function: str
    state_machine: str
    endpoint: Endpoint


def find_deployment(name: str, stage: str | None, session: Any = None, version: str | None = None) -> Deployment:  # noqa: ANN401 - boto3 is not typed
    """Look up a deployment by the parameters that it publishes.

    Args:
        name: what it was deployed as.
        stage: the stage that is to run; None for none.
        session: a boto3 session; the environment's if not given.
        version: the version of this code, as the package has it if not given.

    Raises:
        DeploymentError: no credentials, no region, no such deployment there, one of another version than this code,
            or one without the stage.
    """
    with saying_what_is_wrong(name):
        session = session or _make_session()
        client = session.client("ssm", config=_config())
        names = {
            "bucket": bucket_parameter(name),
            "version": version_parameter(name),
            "reduce": reduce_parameter(name),
            "machine": state_machine_parameter(name),
        }
        if stage is not None:
            names["function"] = function_parameter(name, stage)
        answer = client.get_parameters(Names=list(names.values()))
        endpoint = find_endpoint(session)
    found = {item["Name"]: item["Value"] for item in answer["Parameters"]}
    value = {what: found.get(parameter) for what, parameter in names.items()}
    region = str(session.region_name)
    _check_deployed(name, stage, region, value, version or importlib.metadata.version("mycelium"))
    return Deployment(
        name=name,
        region=region,
        bucket=str(value["bucket"]),
        function=str(value.get("function")),
        reduce_function=str(value["reduce"]),
        state_machine=str(value["machine"]),
        endpoint=endpoint,
    )


def find_endpoint(session: Any) -> Endpoint:  # noqa: ANN401 - boto3 is not typed
    """Return where Lambda is and with which credentials, as the environment and the AWS configuration say."""
    from botocore.utils import get_environ_proxies  # noqa: PLC0415 - only the cloud pays for it

    # A client knows all that can be configured of a service's address; it is made for that, and let go.
    client = session.client("lambda", config=_config())
    url = check_endpoint(client.meta.endpoint_url)
    return Endpoint(
        url=url,
        region=client.meta.region_name,
        credentials=session.get_credentials(),
        verify=session._session.get_config_variable("ca_bundle") or True,  # noqa: SLF001 - boto3 has no other way to it
        proxies=get_environ_proxies(url),
    )


def make_client(service: str, region: str | None = None) -> Any:  # noqa: ANN401 - boto3 is not typed
    """Return a client of a service, from the environment's credentials, in its region if none is given."""
    return _make_session().client(service, region_name=region, config=_config())


@contextlib.contextmanager
def saying_what_is_wrong(name: str) -> Iterator[None]:
    """Turn botocore's errors about credentials, region and rights into one line that says what to do.

    Raises:
        DeploymentError: there was such an error.
    """
    from botocore import exceptions  # noqa: PLC0415 - only the cloud pays for it

    try:
        yield
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise DeploymentError(
            f"AWS credentials are needed ({error}): set AWS_PROFILE, or run `aws configure`"
        ) from None
    except exceptions.NoRegionError:
        raise DeploymentError(f"set AWS_REGION to the region in which {name!r} was deployed; none is set") from None
    except (exceptions.EndpointConnectionError, exceptions.InvalidRegionError) as error:
        raise DeploymentError(f"AWS can't be reached: {error}; is AWS_REGION a region, and the network up?") from None
    except exceptions.ClientError as error:
        code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        if code in _EXPIRED:
            raise DeploymentError(f"the AWS credentials have expired ({code}): log in again") from None
        if code in _REFUSED:
            raise DeploymentError(f"AWS does not know these credentials ({code}): check AWS_PROFILE") from None
        raise DeploymentError(f"AWS refuses {error.operation_name}: {code}: {said}") from None
    except exceptions.BotoCoreError as error:
        raise DeploymentError(f"AWS can't be used: {error}") from None


def _check_deployed(name: str, stage: str | None, region: str, value: dict[str, str | None], version: str) -> None:
    if value["bucket"] is None or value["version"] is None:
        raise DeploymentError(
            f"no deployment {name!r} in region {region} of this account: run `cdk deploy`, "
            f"or set AWS_REGION or --deployment to where and what it is"
        )
    deployed = str(value["version"])
    if _release(deployed) != _release(version):
        older = _numbers(deployed) < _numbers(version)
        advice = "run `cdk deploy`" if older else "update this code"
        raise DeploymentError(
            f"deployment {name!r} is of version {_release(deployed)}, and this code is {_release(version)}: {advice}"
        )
    missing = [what for what in ("function", "reduce", "machine") if what in value and value[what] is None]
    if missing:
        what = {"function": f"stage {stage!r}", "reduce": "reduce function", "machine": "state machine"}[missing[0]]
        raise DeploymentError(f"deployment {name!r} in region {region} has no {what}: run `cdk deploy`")


def _release(version: str) -> str:
    """Return a version without the commit behind its plus sign."""
    return version.partition("+")[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in _release(version).split(".") if digits.isdigit())


def _make_session() -> Any:  # noqa: ANN401 - boto3 is not typed
    import boto3  # noqa: PLC0415 - only the cloud pays for it

    return boto3.Session(region_name=read_settings().region)


def _config() -> Any:  # noqa: ANN401 - botocore is not typed
    from botocore.config import Config  # noqa: PLC0415 - only the cloud pays for it

    return Config(retries={"mode": "standard"}, connect_timeout=10, tcp_keepalive=True)
