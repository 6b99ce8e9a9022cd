"""The GPU machines: how one is launched, how many there are, and how they come to be none again.

There are none at rest. `fleet start` wants some; each one that finds the queue drained leaves, and takes its place with
it. Should one stay although there is nothing to do (its worker hangs, say), the group itself goes back to none after
`IDLE_MIN` minutes without a shard. ADR 0063 has why both are there.
"""

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import acknowledge
from infra.options import Options

IMAGE_PARAMETER = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
"""AWS's own image with the NVIDIA driver; looked up at each launch, so that a machine starts patched."""

IDLE_MIN = 15
"""Minutes without a shard, waiting or leased, after which machines that are still there are ended."""

_DISK_GIB = 100


class MachineGroup(Construct):
    """A launch template, and an Auto Scaling group of on-demand or spot machines."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        role: iam.Role,
        start: list[str],
        shards: sqs.Queue,
        options: Options,
    ) -> None:
        """Make them.

        Args:
            scope: the stack.
            construct_id: its name there.
            role: what a machine may do.
            start: what it does when it starts.
            shards: the queue of shards.
            options: the deployment's settings.
        """
        super().__init__(scope, construct_id)
        network = self._make_network()
        template = self._make_template(network, role, start, options)
        self.group = self._make_group(network, template, options)
        self._end_when_idle(shards)

    def _make_network(self) -> ec2.Vpc:
        network = ec2.Vpc(
            self,
            "Network",
            max_azs=2,
            nat_gateways=0,
            restrict_default_security_group=False,  # would bring a custom resource with a function of its own
            subnet_configuration=[ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC)],
            # Chunks travel to S3 inside AWS, free of charge.
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        acknowledge(
            network,
            "AwsSolutions-VPC7",
            "No port is open inward, and the machines live for hours; flow logs would mostly hold port scans.",
        )
        return network

    def _make_template(
        self, network: ec2.Vpc, role: iam.Role, start: list[str], options: Options
    ) -> ec2.LaunchTemplate:
        group = ec2.SecurityGroup(
            self, "NoInbound", vpc=network, description="nothing comes in", allow_all_outbound=True
        )
        user_data = ec2.UserData.for_linux()
        user_data.add_commands(*start)
        return ec2.LaunchTemplate(
            self,
            "Machine",
            instance_type=ec2.InstanceType(options.gpu_instance_type),
            machine_image=ec2.MachineImage.resolve_ssm_parameter_at_launch(IMAGE_PARAMETER),
            role=role,
            user_data=user_data,
            security_group=group,
            associate_public_ip_address=True,
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/sda1",
                    volume=ec2.BlockDeviceVolume.ebs(
                        _DISK_GIB, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3, delete_on_termination=True
                    ),
                )
            ],
        )

    def _make_group(
        self, network: ec2.Vpc, template: ec2.LaunchTemplate, options: Options
    ) -> autoscaling.AutoScalingGroup:
        group = autoscaling.AutoScalingGroup(
            self,
            "Machines",
            vpc=network,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            # `fleet start` sets type and share of spot machines anew; this is what holds until then.
            mixed_instances_policy=autoscaling.MixedInstancesPolicy(
                launch_template=template,
                launch_template_overrides=[
                    autoscaling.LaunchTemplateOverrides(instance_type=ec2.InstanceType(options.gpu_instance_type))
                ],
                instances_distribution=autoscaling.InstancesDistribution(
                    on_demand_base_capacity=0,
                    on_demand_percentage_above_base_capacity=100,
                    spot_allocation_strategy=autoscaling.SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
                ),
            ),
            min_capacity=0,
            max_capacity=options.gpu_max,
            group_metrics=[autoscaling.GroupMetrics(autoscaling.GroupMetric.IN_SERVICE_INSTANCES)],
        )
        acknowledge(
            group,
            "AwsSolutions-AS3",
            "Machines come and go with every run; what matters of it, a shard given up, has its alarm.",
        )
        acknowledge(
            group,
            "AwsSolutions-EC26",
            "The rule reads a launch configuration, of which there is none; the template's disk is encrypted.",
        )
        return group

    def _end_when_idle(self, shards: sqs.Queue) -> None:
        """Go back to no machine where there are some and have been no shards for a while.

        An alarm that calls Auto Scaling does so every minute for as long as it lasts. So it must be none while there is
        no machine: else the first ones of the next run would be ended before the queue's metrics, which are some
        minutes late, show that there is something to do.
        """
        minute = cdk.Duration.minutes(1)
        most = cloudwatch.Stats.MAXIMUM
        idle = cloudwatch.MathExpression(
            expression="IF(FILL(waiting, 0) + FILL(leased, 0) == 0 AND FILL(machines, 0) > 0, 1, 0)",
            label="machines without a shard",
            period=minute,
            using_metrics={
                "waiting": shards.metric_approximate_number_of_messages_visible(period=minute, statistic=most),
                "leased": shards.metric_approximate_number_of_messages_not_visible(period=minute, statistic=most),
                "machines": cloudwatch.Metric(
                    namespace="AWS/AutoScaling",
                    metric_name="GroupInServiceInstances",
                    dimensions_map={"AutoScalingGroupName": self.group.auto_scaling_group_name},
                    period=minute,
                    statistic=most,
                ),
            },
        )
        alarm = idle.create_alarm(
            self,
            "Idle",
            alarm_description=f"Machines had no shard for {IDLE_MIN} minutes, and are ended.",
            threshold=1,
            evaluation_periods=IDLE_MIN,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        action = autoscaling.StepScalingAction(
            self,
            "ToNone",
            auto_scaling_group=self.group,
            adjustment_type=autoscaling.AdjustmentType.EXACT_CAPACITY,
        )
        action.add_adjustment(adjustment=0, lower_bound=0)
        alarm.add_alarm_action(actions.AutoScalingAction(action))
