"""Find what `cdk deploy` made: one request for the SSM parameters that the stack publishes.

Whatever is wrong with credentials, region or stack is said here, in one line, before a run begins.
"""

from dataclasses import dataclass
from typing import Any

from coordinator.endpoint import Endpoint, check_endpoint
from mycelium.aws import calling_aws, make_config, make_session
from mycelium.deployment import (
    architecture_parameter,
    bucket_parameter,
    function_parameter,
    reduce_parameter,
    state_machine_parameter,
    version_parameter,
)
from mycelium.errors import DeploymentError
from mycelium.version import UNRELEASED, code_version, read_release


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
        architecture: the functions' processor; empty where the deployment does not say it.
    """

    name: str
    region: str
    bucket: str
    function: str
    reduce_function: str
    state_machine: str
    endpoint: Endpoint
    architecture: str = ""


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
    with calling_aws(f"deployment {name!r}"):
        session = session or make_session()
        client = session.client("ssm", config=make_config())
        names = {
            "bucket": bucket_parameter(name),
            "version": version_parameter(name),
            "architecture": architecture_parameter(name),
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
    _check_deployed(name, stage, region, value, version or code_version())
    return Deployment(
        name=name,
        region=region,
        bucket=str(value["bucket"]),
        function=str(value.get("function")),
        reduce_function=str(value["reduce"]),
        state_machine=str(value["machine"]),
        endpoint=endpoint,
        architecture=value["architecture"] or "",
    )


def find_endpoint(session: Any) -> Endpoint:  # noqa: ANN401 - boto3 is not typed
    """Return where Lambda is and with which credentials, as the environment and the AWS configuration say."""
    from botocore.utils import get_environ_proxies  # noqa: PLC0415 - only the cloud pays for it

    # A client knows all that can be configured of a service's address; it is made for that, and let go.
    client = session.client("lambda", config=make_config())
    url = check_endpoint(client.meta.endpoint_url)
    return Endpoint(
        url=url,
        region=client.meta.region_name,
        credentials=session.get_credentials(),
        verify=session._session.get_config_variable("ca_bundle") or True,  # noqa: SLF001 - boto3 has no other way to it
        proxies=get_environ_proxies(url),
    )


def _check_deployed(name: str, stage: str | None, region: str, value: dict[str, str | None], version: str) -> None:
    if value["bucket"] is None or value["version"] is None:
        raise DeploymentError(
            f"no deployment {name!r} in region {region} of this account: run `cdk deploy`, "
            f"or set AWS_REGION or --deployment to where and what it is"
        )
    deployed = str(value["version"])
    if read_release(deployed) != read_release(version):
        older = _numbers(deployed) < _numbers(version)
        advice = "run `cdk deploy`" if older else "update this code"
        if read_release(version) == UNRELEASED:
            advice += ", or let git have its tags: `git fetch --tags`"
        raise DeploymentError(
            f"deployment {name!r} is of version {read_release(deployed)}, and this code is "
            f"{read_release(version)}: {advice}"
        )
    missing = [what for what in ("function", "reduce", "machine") if what in value and value[what] is None]
    if missing:
        what = {"function": f"stage {stage!r}", "reduce": "reduce function", "machine": "state machine"}[missing[0]]
        raise DeploymentError(f"deployment {name!r} in region {region} has no {what}: run `cdk deploy`")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in read_release(version).split(".") if digits.isdigit())
