"""A GPU machine may do what its work needs, and nothing else."""

import json
from typing import Any

import pytest

from mycelium.deployment import UPLOAD_NAMESPACE
from tests.infra.templates import Cloud


@pytest.fixture
def statements(cloud: Cloud) -> list[dict[str, Any]]:
    policies = cloud.gpu_resources("AWS::IAM::Policy")
    return [s for policy in policies for s in policy["Properties"]["PolicyDocument"]["Statement"]]


def resources(statements: list[dict[str, Any]], action: str) -> str:
    """Return all that an action is allowed on, as text."""
    allowed = [s for s in statements if action in (s["Action"] if isinstance(s["Action"], list) else [s["Action"]])]
    return json.dumps([s["Resource"] for s in allowed])


def test_it_writes_signals_and_records_and_no_problems(statements: list[dict[str, Any]]) -> None:
    written = resources(statements, "s3:PutObject")
    for prefix in ("/tokens/*", "/iaf/*", "/fleet/*", "/outcomes/*", "/manifests/iaf/*"):
        assert prefix in written
    for prefix in ("/problems/", "/models/", "/heartbeats/"):
        assert prefix not in written
    assert "/models/*" in resources(statements, "s3:GetObject")


def test_it_deletes_nothing(statements: list[dict[str, Any]]) -> None:
    assert resources(statements, "s3:DeleteObject") == "[]"


def test_it_leases_and_gives_back_shards_and_never_looks_at_dead_ones(statements: list[dict[str, Any]]) -> None:
    for action in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "SendMessage", "GetQueueAttributes"):
        allowed = resources(statements, f"sqs:{action}")
        assert "Shards" in allowed
        assert "DeadLetters" not in allowed


def test_it_ends_machines_of_its_own_group_only(statements: list[dict[str, Any]]) -> None:
    allowed = resources(statements, "autoscaling:TerminateInstanceInAutoScalingGroup")
    assert ":autoScalingGroup:*:autoScalingGroupName/" in allowed
    assert '"Ref": "FleetMachines' in allowed


def test_its_metrics_are_the_uploader_s(statements: list[dict[str, Any]]) -> None:
    (found,) = [s for s in statements if s["Action"] == "cloudwatch:PutMetricData"]
    assert found["Condition"] == {"StringEquals": {"cloudwatch:namespace": UPLOAD_NAMESPACE}}
