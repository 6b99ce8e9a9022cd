"""One function for each stage, with rights to its own datasets and no more."""

from typing import Any

from infra.cloud_stack import REDUCE
from lambdas.stages import find_stage, stage_names
from tests.infra.templates import Cloud


def functions(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Return the functions by what they say they are for."""
    found = cloud.main_properties("AWS::Lambda::Function")
    return {properties["Environment"]["Variables"]["MYCELIUM_STAGE"]: properties for properties in found}


def rights(cloud: Cloud, function: dict[str, Any]) -> dict[str, set[str]]:
    """Return what a function may do to which keys of the bucket, by action."""
    role = function["Role"]["Fn::GetAtt"][0]
    found: dict[str, set[str]] = {}
    for policy in cloud.main_properties("AWS::IAM::Policy"):
        if {"Ref": role} not in policy["Roles"]:
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            actions, resources = (
                value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
            )
            for action in actions:
                found.setdefault(action, set()).update(map(last_part, resources))
    return found


def last_part(resource: Any) -> str:
    """Return what follows the resource's own name in its ARN."""
    return str(resource["Fn::Join"][1][-1]) if "Fn::Join" in resource else ""


def test_each_stage_has_its_function_and_the_reduce_has_one(cloud: Cloud) -> None:
    assert set(functions(cloud)) == {*stage_names(), REDUCE}


def test_a_function_is_what_its_stage_says(cloud: Cloud) -> None:
    for name in stage_names():
        stage, function = find_stage(name), functions(cloud)[name]
        assert function["MemorySize"] == stage.memory_mb
        assert function["Timeout"] == stage.timeout_s
        assert function["Handler"] == "lambdas.handler.handle_task"
        assert function["Architectures"] == ["arm64"]
        assert function["Runtime"] == "python3.13"
        assert function["Environment"]["Variables"]["MYCELIUM_DEPLOYMENT"] == "mycelium"
        assert function["Environment"]["Variables"]["MYCELIUM_LOG_LEVEL"] == "INFO"
        assert function["Environment"]["Variables"]["OPENBLAS_NUM_THREADS"] == str(max(1, stage.memory_mb // 1769))


def test_a_function_reaches_the_datasets_of_its_stage_and_no_others(cloud: Cloud) -> None:
    for name in stage_names():
        stage = find_stage(name)
        reads = {f"/{dataset.name}/*" for dataset in stage.reads}
        writes = {f"/{dataset.name}/*" for dataset in stage.writes}
        found = rights(cloud, functions(cloud)[name])
        assert found["s3:GetObject"] == reads | writes | ({"/fits/*"} if stage.fit else set())
        assert found["s3:PutObject"] == writes | {"/parts/*", "/work/*"}
        assert found["s3:ListBucket"] == {""}  # a lost chunk answers 404, and not 403
        assert not {action for action in found if action.startswith("s3:Delete")}


def test_the_reduce_sees_parts_and_no_chunk(cloud: Cloud) -> None:
    function = functions(cloud)[REDUCE]
    found = rights(cloud, function)
    assert function["Handler"] == "lambdas.handler.handle_reduce"
    assert found["s3:GetObject"] == found["s3:PutObject"] == {"/parts/*"}


def test_each_function_has_a_role_a_log_group_and_dead_letters_of_its_own(cloud: Cloud) -> None:
    found = list(functions(cloud).values())
    roles = {function["Role"]["Fn::GetAtt"][0] for function in found}
    groups = {function["LoggingConfig"]["LogGroup"]["Ref"] for function in found}
    queues = {function["DeadLetterConfig"]["TargetArn"]["Fn::GetAtt"][0] for function in found}
    assert len(roles) == len(groups) == len(queues) == len(found)
    for group in groups:
        assert cloud.main["Resources"][group]["Properties"]["RetentionInDays"] == 30
    for queue in queues:
        assert cloud.main["Resources"][queue]["Properties"]["SqsManagedSseEnabled"] is True


def test_the_platform_logs_plain_lines_whose_report_the_coordinator_reads(cloud: Cloud) -> None:
    assert {function["LoggingConfig"].get("LogFormat", "Text") for function in functions(cloud).values()} == {"Text"}


def test_lambda_itself_repeats_nothing(cloud: Cloud) -> None:
    found = cloud.main_properties("AWS::Lambda::EventInvokeConfig")
    assert [config["MaximumRetryAttempts"] for config in found] == [0] * len(functions(cloud))
