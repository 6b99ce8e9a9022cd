"""The app as a whole: its stacks, its rules, its rights."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from infra.application import build_app
from infra.packaging import ROOT
from tests.infra.templates import Cloud, read_context, synthesize

# What AWS lets nobody limit to a resource; everything else names what it is about.
BOUND_TO_NO_RESOURCE = {
    "cloudwatch:PutMetricData",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


def statements(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """Yield every statement of every policy that allows something."""
    for template in (cloud.main, cloud.gpu):
        for resource in template["Resources"].values():
            document = resource["Properties"].get("PolicyDocument", {})
            yield from (found for found in document.get("Statement", ()) if found["Effect"] == "Allow")


def as_list(value: Any) -> list[Any]:
    """Return a list, where CloudFormation also takes one thing by itself."""
    return value if isinstance(value, list) else [value]


def test_a_plain_deploy_means_the_main_stack(tmp_path: Path) -> None:
    assembly = build_app(read_context(), str(tmp_path)).synth()
    assert [stack.stack_name for stack in assembly.stacks] == ["mycelium"]


def test_two_deployments_share_no_name(tmp_path: Path) -> None:
    trial = synthesize(tmp_path, {"deployment": "trial"}).main["Resources"].values()
    given = {"Name", "LogGroupName", "FunctionName", "BucketName", "QueueName", "TopicName", "StateMachineName"}
    values = [value for found in trial for key, value in found["Properties"].items() if key in given]
    names = [value for value in values if isinstance(value, str)]  # the others CloudFormation makes up, or refer
    assert names
    assert [name for name in names if "trial" not in name] == []


def test_the_stacks_name_no_account_and_no_region(cloud: Cloud) -> None:
    for template in (cloud.main, cloud.gpu):
        assert not [name for name in template["Parameters"] if "Account" in name or "Region" in name]
        assert "us-east-1" not in json.dumps(template["Resources"])


def test_only_what_aws_binds_to_no_resource_is_allowed_on_all(cloud: Cloud) -> None:
    found = [statement for statement in statements(cloud) if "*" in as_list(statement["Resource"])]
    assert found
    assert {action for statement in found for action in as_list(statement["Action"])} == BOUND_TO_NO_RESOURCE


def test_no_action_is_a_wildcard(cloud: Cloud) -> None:
    assert not [action for found in statements(cloud) for action in as_list(found["Action"]) if "*" in action]


def test_nobody_is_allowed_in_from_outside(cloud: Cloud) -> None:
    kinds = {found["Type"] for template in (cloud.main, cloud.gpu) for found in template["Resources"].values()}
    assert not kinds & {"AWS::Lambda::Url", "AWS::Lambda::Permission", "AWS::ApiGateway::RestApi"}
    named = [found["Principal"] for found in statements(cloud) if "Principal" in found]
    assert not [principal for principal in named if principal == "*" or principal.get("AWS") == "*"]


def test_no_construct_brings_a_function_of_its_own(cloud: Cloud) -> None:
    runtimes = [found["Runtime"] for found in cloud.main_properties("AWS::Lambda::Function")]
    assert all(runtime.startswith("python") for runtime in runtimes)
    assert not cloud.gpu_resources("AWS::Lambda::Function")


def test_what_the_rules_find_ends_the_synthesis(tmp_path: Path) -> None:
    app = build_app(read_context(), str(tmp_path))
    s3.Bucket(cdk.Stack(app, "careless"), "Bucket")
    with pytest.raises(RuntimeError, match="ValidationFailed.*S3 Bucket"):
        app.synth()


def test_the_rules_reach_into_the_gpu_stage(tmp_path: Path) -> None:
    app = build_app(read_context(), str(tmp_path))
    (gpu_stack,) = [child for child in app.node.find_child("gpu").node.children if isinstance(child, cdk.Stack)]
    s3.Bucket(gpu_stack, "Careless")
    with pytest.raises(RuntimeError, match="ValidationFailed.*S3 Bucket"):
        app.synth()


def test_a_setting_that_cannot_be_deployed_is_one_line_and_exit_2() -> None:
    asked = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps({"architecture": "mips"})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 2
    said = [line for line in asked.stderr.splitlines() if "!!" not in line]  # jsii's word on an old Node
    assert said == ["error: architecture is one of arm64, x86_64; got 'mips'"]
