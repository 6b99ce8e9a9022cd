"""Machines: none at rest, on demand or spot, and none again when there is nothing to do."""

from typing import Any

import pytest

from tests.infra.templates import Cloud


@pytest.fixture
def group(cloud: Cloud) -> dict[str, Any]:
    (found,) = cloud.gpu_resources("AWS::AutoScaling::AutoScalingGroup")
    properties: dict[str, Any] = found["Properties"]
    return properties


def test_it_starts_with_no_machine(group: dict[str, Any]) -> None:
    assert (group["MinSize"], group["MaxSize"]) == ("0", "4")
    assert "DesiredCapacity" not in group  # a deploy leaves running machines alone


def test_its_policy_can_be_set_to_spot_without_a_deploy(group: dict[str, Any]) -> None:
    policy = group["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    assert policy["LaunchTemplate"]["Overrides"] == [{"InstanceType": "g6.xlarge"}]
    assert "LaunchTemplateId" in policy["LaunchTemplate"]["LaunchTemplateSpecification"]


def test_machines_without_a_shard_for_a_quarter_of_an_hour_are_ended(cloud: Cloud, group: dict[str, Any]) -> None:
    alarms = [found["Properties"] for found in cloud.gpu_resources("AWS::CloudWatch::Alarm")]
    (idle,) = [alarm for alarm in alarms if "no shard" in alarm["AlarmDescription"]]
    assert (idle["EvaluationPeriods"], idle["Threshold"]) == (15, 1)
    metrics = {metric["Id"]: metric for metric in idle["Metrics"]}
    (expression,) = [metric["Expression"] for metric in metrics.values() if "Expression" in metric]
    # Without a machine it is no alarm: else the first machines of the next run would be ended at once.
    assert expression == "IF(FILL(waiting, 0) + FILL(leased, 0) == 0 AND FILL(machines, 0) > 0, 1, 0)"
    assert {"waiting", "leased", "machines"} <= metrics.keys()
    assert {metric["MetricStat"]["Period"] for metric in metrics.values() if "MetricStat" in metric} == {60}
    (action,) = idle["AlarmActions"]
    policy = cloud.gpu["Resources"][action["Ref"]]["Properties"]
    assert (policy["AdjustmentType"], policy["PolicyType"]) == ("ExactCapacity", "StepScaling")
    assert policy["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 0}]
    # What the alarm counts machines by is not there unless it is asked for.
    assert group["MetricsCollection"] == [{"Granularity": "1Minute", "Metrics": ["GroupInServiceInstances"]}]
