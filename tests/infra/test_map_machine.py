"""The Distributed Map hands each item to its function, and fails for none of them."""

import json
from typing import Any

import pytest

from tests.infra.templates import Cloud


@pytest.fixture
def fan_out(cloud: Cloud) -> dict[str, Any]:
    """The map, with AWS's own partition's name in the place of what is known only in the account."""
    (machine,) = cloud.main_properties("AWS::StepFunctions::StateMachine")
    text = "".join(part if isinstance(part, str) else "aws" for part in machine["DefinitionString"]["Fn::Join"][1])
    found: dict[str, Any] = json.loads(text)["States"]["FanOut"]
    return found


def test_the_items_are_read_from_the_store(fan_out: dict[str, Any]) -> None:
    assert fan_out["ItemReader"] == {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.items_key"},
    }


def test_an_item_is_the_event_as_it_is(fan_out: dict[str, Any]) -> None:
    call = fan_out["ItemProcessor"]["States"]["Call"]
    assert fan_out["ItemSelector"]["event.$"] == "$$.Map.Item.Value"
    assert call["Parameters"] == {"FunctionName.$": "$.function", "Payload.$": "$.event"}


def test_one_failed_chunk_ends_no_map(fan_out: dict[str, Any]) -> None:
    assert fan_out["ToleratedFailurePercentage"] == 100


def test_what_the_children_answer_goes_where_the_machine_may_write(fan_out: dict[str, Any]) -> None:
    assert fan_out["ResultWriter"]["Parameters"]["Prefix"].startswith("work/")


def test_it_keeps_to_what_localstack_does_too(fan_out: dict[str, Any], cloud: Cloud) -> None:
    (machine,) = cloud.main_properties("AWS::StepFunctions::StateMachine")
    text = json.dumps(machine["DefinitionString"])
    assert "ItemBatcher" not in text
    assert "JSONata" not in text
    assert "100.0" in text  # a whole number is not read there
    assert fan_out["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def test_what_the_function_did_wrong_is_not_done_again(fan_out: dict[str, Any]) -> None:
    retried = [error for retry in fan_out["ItemProcessor"]["States"]["Call"]["Retry"] for error in retry["ErrorEquals"]]
    assert "Lambda.TooManyRequestsException" in retried
    assert not set(retried) & {"States.ALL", "States.TaskFailed", "States.Timeout", "Lambda.Unknown"}


def test_it_calls_the_stages_functions_and_none_else(cloud: Cloud) -> None:
    calling = [
        statement
        for policy in cloud.main_properties("AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "lambda:InvokeFunction"
    ]
    stages = {
        name
        for name, resource in cloud.main["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function" and resource["Properties"]["Handler"].endswith("handle_task")
    }
    (statement,) = calling
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    assert {resource["Fn::GetAtt"][0] for resource in resources} == stages
