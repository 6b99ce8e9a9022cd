"""The coordinator finds everything by the deployment's name."""

from collections.abc import Callable
from typing import Any

from lambdas.stages import stage_names
from mycelium import deployment as names
from mycelium.version import read_release
from tests.infra.templates import Cloud


def published(cloud: Cloud) -> dict[str, Any]:
    """Return the parameters by name."""
    return {found["Name"]: found["Value"] for found in cloud.main_properties("AWS::SSM::Parameter")}


def expected(name: str) -> set[str]:
    """Return the parameters that the coordinator may ask for."""
    return {
        names.bucket_parameter(name),
        names.version_parameter(name),
        names.architecture_parameter(name),
        names.reduce_parameter(name),
        names.state_machine_parameter(name),
        *(names.function_parameter(name, stage) for stage in stage_names()),
    }


def test_every_name_that_the_coordinator_asks_for_is_there(cloud: Cloud) -> None:
    assert set(published(cloud)) == expected("mycelium")


def test_each_names_what_it_says(cloud: Cloud) -> None:
    found = published(cloud)
    kinds = {
        name: cloud.main["Resources"][value["Ref"]]["Type"] for name, value in found.items() if isinstance(value, dict)
    }
    assert kinds.pop("/mycelium/bucket") == "AWS::S3::Bucket"
    assert kinds.pop("/mycelium/state-machine") == "AWS::StepFunctions::StateMachine"
    assert set(kinds.values()) == {"AWS::Lambda::Function"}
    assert found["/mycelium/architecture"] == "arm64"
    assert found["/mycelium/version"] == read_release()


def test_another_deployment_has_names_of_its_own(deploy_with: Callable[..., Cloud]) -> None:
    assert set(published(deploy_with(deployment="trial"))) == expected("trial")


def test_the_processor_that_is_deployed_is_said(deploy_with: Callable[..., Cloud]) -> None:
    assert published(deploy_with(architecture="x86_64"))["/mycelium/architecture"] == "x86_64"
