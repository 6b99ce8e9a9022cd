"""Every right of every role, as a table to read: a right that is not in it fails here, and so does one too many in it.

A name in angle brackets is a resource of the stacks. What a role may do, it may do to those resources and to no others.
"""

import re
from typing import Any

from tests.infra.templates import Cloud

Rights = dict[str, set[str]]
"""What may be done to what: resources by action."""

DATA = "<DataBucket>"


def _stage(name: str, reads: str, writes: str) -> Rights:
    """Return the rights of a stage's function: its datasets, its own log and dead letters, and no deleting."""
    return {
        "s3:GetObject": {f"{DATA}/{prefix}/*" for prefix in reads.split()},
        "s3:PutObject": {f"{DATA}/{prefix}/*" for prefix in (*writes.split(), "parts", "work")},
        "s3:ListBucket": {DATA},
        "logs:CreateLogStream": {f"<Stage{name}Logs>"},
        "logs:PutLogEvents": {f"<Stage{name}Logs>"},
        "sqs:SendMessage": {f"<Stage{name}DeadLetters>"},
    }


def _each(service: str, actions: str, resource: str) -> Rights:
    return {f"{service}:{action}": {resource} for action in actions.split()}


SIGNALS = "connectivity divergence entropy iaf received"
MACHINE_WRITES = f"attention {SIGNALS} embeddings tokens"
MACHINE_MANIFESTS = " ".join(f"manifests/{name}" for name in MACHINE_WRITES.split())
MACHINE_RECORDS = "fleet outcomes"


def _machine(*prefixes: str) -> set[str]:
    names = " ".join(prefixes).split()
    return {f"arn:<AWS::Partition>:s3:::<DataBucketName>/{name}/*" for name in names}


_EXECUTIONS = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<MapMachine>"
_GROUP = (
    "arn:<AWS::Partition>:autoscaling:<AWS::Region>:<AWS::AccountId>:autoScalingGroup:*:"
    "autoScalingGroupName/<FleetMachinesASG>"
)
_STAGES = ("c2pairs", "c3pairs", "embeddings", "heartbeat", "iaf", "jsd", "labels", "steps", "templates")

ALLOWED: dict[str, tuple[str, Rights]] = {
    "Stagec2pairsRole": (
        "lambda",
        _stage("c2pairs", "assignments c2_pairs chains heartbeats labels problems", "c2_pairs"),
    ),
    "Stagec3pairsRole": (
        "lambda",
        _stage("c3pairs", "assignments c3_pairs labels problems steps", "c3_pairs"),
    ),
    "StageembeddingsRole": ("lambda", _stage("embeddings", "embeddings steps", "embeddings")),
    "StageheartbeatRole": ("lambda", _stage("heartbeat", "heartbeats iaf", "heartbeats")),
    "StageiafRole": ("lambda", _stage("iaf", f"attention tokens {SIGNALS}", SIGNALS)),
    "StagejsdRole": ("lambda", _stage("jsd", "boundaries divergence", "boundaries")),
    "StagelabelsRole": ("lambda", _stage("labels", "labels steps", "labels")),
    "StagestepsRole": ("lambda", _stage("steps", "chains problems steps", "chains steps")),
    "StagetemplatesRole": (
        "lambda",
        _stage("templates", "assignments embeddings fits labels problems steps", "assignments"),
    ),
    "ReduceRole": (
        "lambda",
        {
            "s3:GetObject": {f"{DATA}/parts/*"},
            "s3:PutObject": {f"{DATA}/parts/*"},
            "s3:ListBucket": {DATA},
            "logs:CreateLogStream": {"<ReduceLogs>"},
            "logs:PutLogEvents": {"<ReduceLogs>"},
            "sqs:SendMessage": {"<ReduceDeadLetters>"},
        },
    ),
    "MapRole": (
        "states",
        {
            "lambda:InvokeFunction": {f"<Stage{name}Function>" for name in _STAGES},
            "s3:GetObject": {f"{DATA}/work/*"},
            "s3:PutObject": {f"{DATA}/work/*"},
            "s3:AbortMultipartUpload": {f"{DATA}/work/*"},
            "s3:ListMultipartUploadParts": {f"{DATA}/work/*"},
            "s3:ListBucket": {DATA},
            "states:StartExecution": {"<MapMachine>"},
            "states:DescribeExecution": {f"{_EXECUTIONS}:*", f"{_EXECUTIONS}/*"},
            "states:StopExecution": {f"{_EXECUTIONS}:*", f"{_EXECUTIONS}/*"},
            # Log delivery is set up by actions that AWS lets nobody limit to a resource.
            **_each("logs", "CreateLogDelivery DeleteLogDelivery DescribeLogGroups", "*"),
            **_each("logs", "DescribeResourcePolicies GetLogDelivery ListLogDeliveries PutResourcePolicy", "*"),
            **_each("logs", "UpdateLogDelivery", "*"),
        },
    ),
    "MachineRole": (
        "ec2",
        {
            "s3:GetObject": _machine(
                MACHINE_WRITES, MACHINE_MANIFESTS, MACHINE_RECORDS, "problems manifests/problems models"
            )
            | {"arn:<AWS::Partition>:s3:::cdk-hnb659fds-assets-<AWS::AccountId>-<AWS::Region>/<digest>.zip"},
            "s3:PutObject": _machine(MACHINE_WRITES, MACHINE_MANIFESTS, MACHINE_RECORDS),
            "s3:AbortMultipartUpload": _machine(MACHINE_WRITES),
            "s3:ListBucket": {"arn:<AWS::Partition>:s3:::<DataBucketName>"},
            **_each("sqs", "ChangeMessageVisibility DeleteMessage GetQueueAttributes ReceiveMessage", "<Shards>"),
            **_each("sqs", "SendMessage", "<Shards>"),
            "autoscaling:TerminateInstanceInAutoScalingGroup": {_GROUP},
            # Metrics and Session Manager's channels are no resources that a policy could name.
            "cloudwatch:PutMetricData if StringEquals cloudwatch:namespace Mycelium/Upload": {"*"},
            **_each("ssm", "UpdateInstanceInformation", "*"),
            **_each("ssmmessages", "CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel", "*"),
        },
    ),
}
"""Which service takes on each role, and all that the role may do."""


def name(logical_id: str) -> str:
    """Return a resource's name without the digest that the CDK puts behind it."""
    return re.sub(r"[0-9A-F]{8}$", "", logical_id)


def say(value: Any) -> str:
    """Return a resource of a policy as text."""
    if isinstance(value, str):
        return re.sub(r"\b[0-9a-f]{64}\b", "<digest>", value)
    ((kind, inner),) = value.items()
    if kind == "Fn::Join":
        return "".join(say(part) for part in inner[1])
    if kind == "Fn::Sub":
        return re.sub(r"\$\{([^}]+)\}", r"<\1>", inner)
    return f"<{name(inner if kind == 'Ref' else inner[0])}>"


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def find_rights(template: dict[str, Any]) -> dict[str, tuple[str, Rights]]:
    """Return what a template lets each of its roles do, and which service takes the role on."""
    found: dict[str, tuple[str, Rights]] = {}
    resources = template["Resources"]
    for logical_id, resource in resources.items():
        if resource["Type"] == "AWS::IAM::Role":
            assert not {"ManagedPolicyArns", "Policies"} & resource["Properties"].keys()
            (trust,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert (trust["Action"], trust["Effect"]) == ("sts:AssumeRole", "Allow")
            found[name(logical_id)] = (trust["Principal"]["Service"].removesuffix(".amazonaws.com"), {})
    for resource in resources.values():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            assert not {"NotAction", "NotResource"} & statement.keys()
            condition = "".join(
                f" if {test} {key} {value}"
                for test, keys in statement.get("Condition", {}).items()
                for key, value in keys.items()
            )
            for role in resource["Properties"]["Roles"]:
                rights = found[name(role["Ref"])][1]
                for action in listed(statement["Action"]):
                    rights.setdefault(f"{action}{condition}", set()).update(map(say, listed(statement["Resource"])))
    return found


def test_every_role_may_do_what_the_table_says_and_nothing_else(cloud: Cloud) -> None:
    found = find_rights(cloud.main) | find_rights(cloud.gpu)
    assert found.keys() == ALLOWED.keys()
    for role, (service, rights) in ALLOWED.items():
        assert found[role][0] == service
        assert found[role][1] == rights, role


def test_no_role_may_change_who_may_do_what_or_delete(cloud: Cloud) -> None:
    found = find_rights(cloud.main) | find_rights(cloud.gpu)
    actions = {action for _, rights in found.values() for action in rights}
    assert not [
        action for action in actions if action.startswith(("iam:", "sts:", "kms:", "*")) or action.endswith("*")
    ]
    assert not [action for action in actions if "Delete" in action and action not in MAY_DELETE]


MAY_DELETE = {"sqs:DeleteMessage", "logs:DeleteLogDelivery"}
"""A shard that is done, and the delivery of a log that is taken down."""


def test_nobody_outside_the_account_is_let_in(cloud: Cloud) -> None:
    policies = [
        statement
        for template in (cloud.main, cloud.gpu)
        for resource in template["Resources"].values()
        if resource["Type"] in {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"}
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]
    assert policies
    for statement in policies:
        is_anybody = statement["Principal"] in ("*", {"AWS": "*"})
        assert statement["Effect"] == "Deny" or not is_anybody
