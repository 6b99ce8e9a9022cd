"""AWS::AutoScaling::AutoScalingGroup, AWS::AutoScaling::ScalingPolicy, AWS::AutoScaling::LifecycleHook."""

from typing import Any, Final

from localstack_process_executor.resources.base import Model, Resource, named, only, schema

# The properties that mean and are called the same in CloudFormation and in the API; the first only when
# created.
_ONLY_AT_CREATION: Final = (
    "InstanceId",
    "LifecycleHookSpecificationList",
    "LoadBalancerNames",
    "TargetGroupARNs",
)
_ALWAYS: Final = (
    "AutoScalingGroupName",
    "AvailabilityZones",
    "CapacityRebalance",
    "Context",
    "DefaultInstanceWarmup",
    "DesiredCapacityType",
    "HealthCheckGracePeriod",
    "HealthCheckType",
    "LaunchConfigurationName",
    "LaunchTemplate",
    "MaxInstanceLifetime",
    "MixedInstancesPolicy",
    "NewInstancesProtectedFromScaleIn",
    "PlacementGroup",
    "ServiceLinkedRoleARN",
    "TerminationPolicies",
)


class AutoScalingGroup(Resource):
    """An Auto Scaling group, which really starts instances, moto's."""

    SCHEMA = schema(
        "AWS::AutoScaling::AutoScalingGroup",
        "AutoScalingGroupName",
        create_only=("AutoScalingGroupName", "InstanceId"),
    )
    kept = ("AutoScalingGroupName",)

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: D102, ANN401 - see the base
        named(model, "AutoScalingGroupName", request)
        arguments = self._arguments(model) | only(model, *_ONLY_AT_CREATION)
        clients.autoscaling.create_auto_scaling_group(**arguments, Tags=self._tags(model))
        self._enable_metrics(model, clients)

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.autoscaling.update_auto_scaling_group(**self._arguments(model))
        kept = {tag["Key"] for tag in model.get("Tags") or []}
        gone = [tag for tag in self._tags(model | {"Tags": previous.get("Tags")}) if tag["Key"] not in kept]
        if gone:
            clients.autoscaling.delete_tags(Tags=gone)
        if tags := self._tags(model):
            clients.autoscaling.create_or_update_tags(Tags=tags)
        self._enable_metrics(model, clients)

    def remove(self, model: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.autoscaling.delete_auto_scaling_group(
            AutoScalingGroupName=model["AutoScalingGroupName"], ForceDelete=True
        )

    @staticmethod
    def _arguments(model: Model) -> Model:
        arguments = only(model, *_ALWAYS)
        # CloudFormation has strings here, and a list where the API joins.
        for name in ("MinSize", "MaxSize", "DesiredCapacity"):
            if model.get(name) is not None:
                arguments[name] = int(model[name])
        if model.get("Cooldown") is not None:
            arguments["DefaultCooldown"] = int(model["Cooldown"])
        if subnets := model.get("VPCZoneIdentifier"):
            arguments["VPCZoneIdentifier"] = ",".join(subnets)
        return arguments

    @staticmethod
    def _tags(model: Model) -> list[Model]:
        group = {"ResourceId": model["AutoScalingGroupName"], "ResourceType": "auto-scaling-group"}
        return [{**tag, **group} for tag in model.get("Tags") or []]

    @staticmethod
    def _enable_metrics(model: Model, clients: Any) -> None:  # noqa: ANN401 - LocalStack is not typed
        for collection in model.get("MetricsCollection") or []:
            clients.autoscaling.enable_metrics_collection(
                AutoScalingGroupName=model["AutoScalingGroupName"], **collection
            )


class ScalingPolicy(Resource):
    """A scaling policy; moto keeps it, and follows it only when asked by ExecutePolicy."""

    SCHEMA = schema("AWS::AutoScaling::ScalingPolicy", "Arn", create_only=("AutoScalingGroupName",))
    kept = ("Arn", "PolicyName")

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: D102, ANN401 - see the base
        named(model, "PolicyName", request)
        self.change(model, {}, clients)

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: D102, ANN401, ARG002 - see the base
        arguments = {name: value for name, value in model.items() if name != "Arn" and value is not None}
        for name in ("Cooldown", "ScalingAdjustment", "EstimatedInstanceWarmup", "MinAdjustmentMagnitude"):
            if name in arguments:
                arguments[name] = int(arguments[name])
        clients.autoscaling.put_scaling_policy(**arguments)
        # Asked for, because moto misspells the field in which the operation answers it.
        found = clients.autoscaling.describe_policies(
            AutoScalingGroupName=model["AutoScalingGroupName"], PolicyNames=[model["PolicyName"]]
        )
        model["Arn"] = found["ScalingPolicies"][0]["PolicyARN"]

    def remove(self, model: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.autoscaling.delete_policy(
            AutoScalingGroupName=model["AutoScalingGroupName"], PolicyName=model["PolicyName"]
        )


class LifecycleHook(Resource):
    """A lifecycle hook of a group."""

    SCHEMA = schema(
        "AWS::AutoScaling::LifecycleHook",
        "LifecycleHookName",
        create_only=("AutoScalingGroupName", "LifecycleHookName"),
    )
    kept = ("LifecycleHookName",)

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: D102, ANN401 - see the base
        named(model, "LifecycleHookName", request)
        self.change(model, {}, clients)

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: D102, ANN401, ARG002 - see the base
        clients.autoscaling.put_lifecycle_hook(**{name: value for name, value in model.items() if value is not None})

    def remove(self, model: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.autoscaling.delete_lifecycle_hook(**only(model, "AutoScalingGroupName", "LifecycleHookName"))
