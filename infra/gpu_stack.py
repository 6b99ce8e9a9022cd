"""The GPU side: a queue of shards, and machines that come when there are some. At rest it costs next to nothing.

The machines are in a network of their own with no inbound port. They go out through a public address, since a NAT
gateway would cost more in a month at rest than a GPU in a day; who needs a shell takes SSM's Session Manager.
"""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.machine_group import MachineGroup
from infra.machine_role import MachineRole
from infra.machine_start import write_start
from infra.options import Options
from infra.worker_asset import build_worker_asset
from mycelium.deployment import bucket_parameter, dead_letter_parameter, gpu_group_parameter, shard_queue_parameter
from mycelium.fleet.records import MAX_TRIES

_LEASE_S = 120
"""How long a shard that was received is kept from others, where its worker asks for no other time."""


class GpuStack(cdk.Stack):
    """The queue and the machines; deployed after the main stack, which publishes the bucket's name."""

    def __init__(self, scope: Construct, construct_id: str, *, options: Options, stack_name: str) -> None:
        """Compose it.

        Args:
            scope: the stage of the app.
            construct_id: the stack's name there.
            options: the deployment's settings.
            stack_name: the stack's name in the account.
        """
        super().__init__(
            scope, construct_id, stack_name=stack_name, description=f"Mycelium {options.deployment}: GPU machines"
        )
        self.dead_letters = self._make_queue("DeadLetters")
        self.shards = self._make_queue(
            "Shards",
            visibility_timeout=cdk.Duration.seconds(_LEASE_S),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAX_TRIES),
        )
        bucket_name = cdk.CfnParameter(
            self,
            "DataBucketName",
            type="AWS::SSM::Parameter::Value<String>",
            default=bucket_parameter(options.deployment),
            description="The parameter that the main stack publishes the data bucket's name in",
        )
        worker = s3_assets.Asset(self, "Worker", path=str(build_worker_asset()))
        machine = MachineRole(self, "MachineRole", bucket_name=bucket_name, shards=self.shards, worker=worker)
        start = write_start(worker.s3_object_url, self.shards.queue_url, bucket_name.value_as_string, self.region)
        self.machines = MachineGroup(self, "Fleet", role=machine.role, start=start, shards=self.shards, options=options)
        machine.let_leave(self.machines.group)
        self._watch_dead_letters()
        self._publish(options.deployment)

    def _make_queue(
        self,
        construct_id: str,
        *,
        visibility_timeout: cdk.Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
        )

    def _watch_dead_letters(self) -> None:
        self.dead_letters.metric_approximate_number_of_messages_visible().create_alarm(
            self,
            "DeadShards",
            alarm_description=f"A shard failed on {MAX_TRIES} workers; `fleet status` says at which problem.",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _publish(self, deployment: str) -> None:
        values = {
            "ShardQueueUrl": (shard_queue_parameter(deployment), self.shards.queue_url),
            "DeadLetterUrl": (dead_letter_parameter(deployment), self.dead_letters.queue_url),
            "GroupName": (gpu_group_parameter(deployment), self.machines.group.auto_scaling_group_name),
        }
        for construct_name, (name, value) in values.items():
            ssm.StringParameter(self, construct_name, parameter_name=name, string_value=value)
        cdk.CfnOutput(self, "ShardQueue", value=self.shards.queue_url, description="The queue of shards")
