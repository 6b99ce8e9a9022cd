"""What a GPU machine may do: read problems and teachers, write signals, lease shards, and leave its group."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import acknowledge, name_of
from mycelium.datasets import GPU_WRITTEN, PROBLEMS
from mycelium.deployment import UPLOAD_NAMESPACE
from mycelium.fleet.records import MODELS, OUTCOMES, PREFIX
from mycelium.manifest import PREFIX as MANIFESTS

_SESSION_ACTIONS = [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
]
"""What Session Manager needs of a machine, and no more of SSM than that."""


class MachineRole(Construct):
    """The role of the GPU machines."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket_name: cdk.CfnParameter,
        shards: sqs.Queue,
        worker: s3_assets.Asset,
    ) -> None:
        """Make it.

        Args:
            scope: the stack.
            construct_id: its name there.
            bucket_name: the parameter that is the data bucket's name.
            shards: the queue of shards.
            worker: the zip file with our code.
        """
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
        self._grant_data(bucket_name)
        self._allow(["s3:GetObject"], [worker.bucket.arn_for_objects(worker.s3_object_key)])
        # A shard given back in good order is sent anew, so that its tries are not counted.
        actions = ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "SendMessage"]
        self._allow([f"sqs:{action}" for action in actions], [shards.queue_arn])
        self._allow(_SESSION_ACTIONS, ["*"])
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": UPLOAD_NAMESPACE}},
            )
        )
        acknowledge(
            self.role,
            "AwsSolutions-IAM5[Resource::*]",
            "Session Manager's channels are no resources that a policy could name, nor are CloudWatch's metrics, which "
            "are limited by their namespace.",
        )

    def let_leave(self, group: autoscaling.AutoScalingGroup) -> None:
        """Let a machine end itself, and its group become one smaller: a policy of its own, since it names the group."""
        stack = cdk.Stack.of(self)
        arn = stack.format_arn(
            service="autoscaling",
            resource="autoScalingGroup",
            resource_name=f"*:autoScalingGroupName/{group.auto_scaling_group_name}",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        action = "autoscaling:TerminateInstanceInAutoScalingGroup"
        statement = iam.PolicyStatement(actions=[action], resources=[arn])
        policy = iam.Policy(self, "Leave", roles=[self.role], statements=[statement])
        named = (
            "arn:<AWS::Partition>:autoscaling:<AWS::Region>:<AWS::AccountId>:autoScalingGroup:*:autoScalingGroupName/"
            f"{name_of(group).replace('.Name', '')}"  # a reference to a group is its name
        )
        acknowledge(
            policy,
            f"AwsSolutions-IAM5[Resource::{named}]",
            "The group's own machines; the star stands for the id that AWS gives the group.",
        )

    def _grant_data(self, bucket_name: cdk.CfnParameter) -> None:
        bucket = s3.Bucket.from_bucket_name(self, "Data", bucket_name.value_as_string)
        manifests = MANIFESTS.rstrip("/")
        written = [prefix for name in GPU_WRITTEN for prefix in (name, f"{manifests}/{name}")]
        written += [PREFIX.rstrip("/"), OUTCOMES.rstrip("/")]
        read = [*written, PROBLEMS.name, f"{manifests}/{PROBLEMS.name}", MODELS.rstrip("/")]
        self._allow(["s3:GetObject"], _below(bucket, read))
        self._allow(["s3:PutObject"], _below(bucket, written))
        # The parts of an upload that is given up cost, and only who may write them may remove them.
        self._allow(["s3:AbortMultipartUpload"], _below(bucket, GPU_WRITTEN))
        self._allow(["s3:ListBucket"], [bucket.bucket_arn])
        parameter = cdk.Stack.of(self).get_logical_id(bucket_name)
        for prefix in read:
            arn = f"arn:<AWS::Partition>:s3:::<{parameter}>/{prefix}/*"
            reason = f"The keys of {prefix} are named by runs, which are not known when the role is made."
            acknowledge(self.role, f"AwsSolutions-IAM5[Resource::{arn}]", reason)

    def _allow(self, actions: list[str], resources: list[str]) -> None:
        self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))


def _below(bucket: s3.IBucket, prefixes: Iterable[str]) -> list[str]:
    return [bucket.arn_for_objects(f"{prefix}/*") for prefix in prefixes]
