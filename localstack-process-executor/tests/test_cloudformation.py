"""The services and the CloudFormation types that the plugin adds, and those that LocalStack has itself."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Clients = Callable[[str], Any]
Template = dict[str, Any]

IMAGE = "ami-0abcdef1234567890"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@contextmanager
def deployed(client: Clients, name: str, template: Template) -> Iterator[dict[str, str]]:
    """Deploys a stack for as long as the block lasts; gives its outputs."""
    cloudformation = client("cloudformation")
    name = f"{name}-{os.getpid()}"
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    try:
        _wait(cloudformation, name, "CREATE_COMPLETE")
        yield _outputs(cloudformation, name)
    finally:
        cloudformation.delete_stack(StackName=name)
        _wait(cloudformation, name, "DELETE_COMPLETE")


def update(client: Clients, name: str, template: Template) -> dict[str, str]:
    cloudformation = client("cloudformation")
    name = f"{name}-{os.getpid()}"
    cloudformation.update_stack(
        StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    _wait(cloudformation, name, "UPDATE_COMPLETE")
    return _outputs(cloudformation, name)


def _wait(cloudformation: Any, name: str, wanted: str) -> None:
    deadline = time.monotonic() + 60
    status = ""
    while time.monotonic() < deadline:
        try:
            status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        except cloudformation.exceptions.ClientError:
            status = "DELETE_COMPLETE"
        if not status.endswith("_IN_PROGRESS"):
            break
        time.sleep(0.2)
    if status != wanted:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [event.get("ResourceStatusReason") for event in events]
        raise AssertionError(f"{name} must be {wanted}, is {status}: {[reason for reason in reasons if reason]}")


def _outputs(cloudformation: Any, name: str) -> dict[str, str]:
    outputs = cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def outputs(**values: object) -> Template:
    return {name: {"Value": value} for name, value in values.items()}


def group_template(instance_type: str, maximum: str, desired: str) -> Template:
    return {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.9.1.0/24"},
            },
            "Group": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {"GroupDescription": "none comes in", "VpcId": {"Ref": "Vpc"}},
            },
            "Ingress": {
                "Type": "AWS::EC2::SecurityGroupIngress",
                "Properties": {
                    "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "SourceSecurityGroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
                },
            },
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
            "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
            "Template": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {
                    "LaunchTemplateData": {
                        "ImageId": IMAGE,
                        "InstanceType": instance_type,
                        "IamInstanceProfile": {"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}},
                        "MetadataOptions": {"HttpTokens": "required"},
                        "SecurityGroupIds": [{"Fn::GetAtt": ["Group", "GroupId"]}],
                        "BlockDeviceMappings": [
                            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 100, "Encrypted": True}}
                        ],
                    }
                },
            },
            "Workers": {
                "Type": "AWS::AutoScaling::AutoScalingGroup",
                "Properties": {
                    "MinSize": "0",
                    "MaxSize": maximum,
                    "DesiredCapacity": desired,
                    "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                    "LaunchTemplate": {
                        "LaunchTemplateId": {"Ref": "Template"},
                        "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                    },
                    "Tags": [{"Key": "Name", "Value": "worker", "PropagateAtLaunch": True}],
                },
            },
            "Policy": {
                "Type": "AWS::AutoScaling::ScalingPolicy",
                "Properties": {
                    "AutoScalingGroupName": {"Ref": "Workers"},
                    "AdjustmentType": "ChangeInCapacity",
                    "PolicyType": "StepScaling",
                    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
                },
            },
            "Hook": {
                "Type": "AWS::AutoScaling::LifecycleHook",
                "Properties": {
                    "AutoScalingGroupName": {"Ref": "Workers"},
                    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
                    "HeartbeatTimeout": 300,
                },
            },
            "Alarm": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "MetricName": "ApproximateNumberOfMessagesVisible",
                    "Namespace": "AWS/SQS",
                    "Statistic": "Maximum",
                    "Period": 60,
                    "EvaluationPeriods": 1,
                    "Threshold": 1,
                    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                    "AlarmActions": [{"Ref": "Policy"}],
                },
            },
        },
        "Outputs": outputs(
            Group={"Ref": "Workers"},
            Template={"Ref": "Template"},
            Version={"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
            Policy={"Ref": "Policy"},
        ),
    }


def test_a_group_of_a_launch_template_starts_changes_and_ends_instances(client: Clients) -> None:
    autoscaling, ec2 = client("autoscaling"), client("ec2")
    with deployed(client, "gpu", group_template("g5.xlarge", "4", "2")) as made:
        (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[made["Group"]])["AutoScalingGroups"]
        assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (0, 4, 2)
        instances = [instance["InstanceId"] for instance in group["Instances"]]
        reservations = ec2.describe_instances(InstanceIds=instances)["Reservations"]
        types = [instance["InstanceType"] for reservation in reservations for instance in reservation["Instances"]]
        assert types == ["g5.xlarge"] * 2
        assert made["Version"] == "1"
        assert made["Policy"].startswith("arn:aws:autoscaling:")
        assert autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=made["Group"])["LifecycleHooks"]

        changed = update(client, "gpu", group_template("g6.xlarge", "3", "0"))
        assert changed["Template"] == made["Template"]
        assert changed["Group"] == made["Group"]
        versions = ec2.describe_launch_template_versions(LaunchTemplateId=made["Template"])["LaunchTemplateVersions"]
        by_number = {version["VersionNumber"]: version["LaunchTemplateData"] for version in versions}
        assert {number: data["InstanceType"] for number, data in by_number.items()} == {
            1: "g5.xlarge",
            2: "g6.xlarge",
        }
        (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[made["Group"]])["AutoScalingGroups"]
        assert (group["MaxSize"], group["DesiredCapacity"], group["Instances"]) == (3, 0, [])
    assert autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[made["Group"]])["AutoScalingGroups"] == []
    found = ec2.describe_launch_templates()["LaunchTemplates"]
    assert made["Template"] not in [template["LaunchTemplateId"] for template in found]


def monitoring_template(title: str, amount: int) -> Template:
    body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": title}}]})
    return {
        "Resources": {
            "Dashboard": {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": body}},
            "Budget": {
                "Type": "AWS::Budgets::Budget",
                "Properties": {
                    "Budget": {
                        "BudgetType": "COST",
                        "TimeUnit": "MONTHLY",
                        "BudgetLimit": {"Amount": amount, "Unit": "USD"},
                    },
                    "NotificationsWithSubscribers": [
                        {
                            "Notification": {
                                "ComparisonOperator": "GREATER_THAN",
                                "NotificationType": "FORECASTED",
                                "Threshold": 80,
                            },
                            "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}],
                        }
                    ],
                },
            },
            "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}},
            "Filter": {
                "Type": "AWS::Logs::MetricFilter",
                "Properties": {
                    "LogGroupName": {"Ref": "Logs"},
                    "FilterPattern": "ERROR",
                    "MetricTransformations": [{"MetricName": "errors", "MetricNamespace": "tests", "MetricValue": "1"}],
                },
            },
        },
        "Outputs": outputs(
            Dashboard={"Ref": "Dashboard"},
            Budget={"Ref": "Budget"},
            Filter={"Ref": "Filter"},
            Logs={"Ref": "Logs"},
        ),
    }


def test_a_dashboard_a_budget_and_a_metric_filter_are_made_changed_and_deleted(client: Clients) -> None:
    cloudwatch, budgets, logs = client("cloudwatch"), client("budgets"), client("logs")

    def limit(name: str) -> str:
        found = budgets.describe_budget(AccountId="000000000000", BudgetName=name)["Budget"]
        return str(float(found["BudgetLimit"]["Amount"]))

    with deployed(client, "watch", monitoring_template("first", 10)) as made:
        assert "first" in cloudwatch.get_dashboard(DashboardName=made["Dashboard"])["DashboardBody"]
        assert limit(made["Budget"]) == "10.0"
        assert logs.describe_metric_filters(logGroupName=made["Logs"])["metricFilters"]
        changed = update(client, "watch", monitoring_template("second", 20))
        assert changed == made
        assert "second" in cloudwatch.get_dashboard(DashboardName=made["Dashboard"])["DashboardBody"]
        assert limit(made["Budget"]) == "20.0"
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []
    assert budgets.describe_budgets(AccountId="000000000000")["Budgets"] == []


# What LocalStack's CloudFormation has itself, of what a stack of functions, queues and machines uses.
SUPPORTED: dict[str, Template] = {
    "AWS::SQS::Queue": {"MessageRetentionPeriod": 1209600, "SqsManagedSseEnabled": True},
    "AWS::SNS::Topic": {},
    "AWS::SSM::Parameter": {"Type": "String", "Value": "v"},
    "AWS::Logs::LogGroup": {"RetentionInDays": 30},
    "AWS::IAM::Role": {"AssumeRolePolicyDocument": TRUST},
    "AWS::IAM::ManagedPolicy": {
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}],
        }
    },
    "AWS::S3::Bucket": {
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {
            "Rules": [{"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]
        },
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "RestrictPublicBuckets": True},
    },
    "AWS::StepFunctions::StateMachine": {
        "RoleArn": "arn:aws:iam::000000000000:role/any",
        "DefinitionString": json.dumps({"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}),
    },
    "AWS::Events::Rule": {"ScheduleExpression": "rate(1 day)", "State": "DISABLED"},
    "AWS::KMS::Key": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}},
    "AWS::CloudWatch::CompositeAlarm": {"AlarmRule": "FALSE"},
}


@pytest.mark.parametrize("resource_type", SUPPORTED)
def test_a_type_that_localstack_has_itself_is_deployed(client: Clients, resource_type: str) -> None:
    template = {
        "Resources": {"It": {"Type": resource_type, "Properties": SUPPORTED[resource_type]}},
        "Outputs": outputs(It={"Ref": "It"}),
    }
    with deployed(client, "its-" + resource_type.replace("::", "-"), template) as made:
        assert made["It"]
        assert made["It"] != "unknown"


def test_a_type_that_is_missing_fails_instead_of_being_skipped(client: Clients) -> None:
    template = {"Resources": {"It": {"Type": "AWS::Batch::JobQueue", "Properties": {"Priority": 1}}}}
    with (
        pytest.raises((AssertionError, client("cloudformation").exceptions.ClientError), match="Batch::JobQueue"),
        deployed(client, "missing", template),
    ):
        pass
