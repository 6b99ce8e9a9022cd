"""The machines: how many, of which type, on demand or spot. All of it is one Auto Scaling group's settings."""

from dataclasses import dataclass
from typing import Any

from mycelium.aws import calling_aws, make_client
from mycelium.errors import DeploymentError, UserInputError


@dataclass(frozen=True, slots=True)
class GroupLook:
    """How the group stands.

    Attributes:
        desired: machines that it is to have.
        most: machines that it may have.
        running: machines that it has.
    """

    desired: int
    most: int
    running: int


class Group:
    """One Auto Scaling group with a mixed-instances policy."""

    def __init__(self, client: Any, name: str) -> None:  # noqa: ANN401 - boto3 is not typed
        """Take a group; `open_group` makes the client."""
        self._client, self.name = client, name

    def look(self) -> GroupLook:
        """Look at it.

        Raises:
            DeploymentError: it is not there, or refuses us.
        """
        found = self._describe()
        running = sum(item.get("LifecycleState") in {"InService", "Pending"} for item in found.get("Instances", []))
        return GroupLook(int(found["DesiredCapacity"]), int(found["MaxSize"]), running)

    def check(self, workers: int) -> None:
        """Refuse more machines than the stack allows, before anything is sent.

        Raises:
            UserInputError: that is more.
            DeploymentError: the group is not there, or refuses us.
        """
        most = int(self._describe()["MaxSize"])
        if workers > most:
            raise UserInputError(
                f"the group has at most {most} machines: give fewer --workers, or "
                f'`cdk deploy "gpu/*" -c gpu_max={workers}`'
            )

    def start(self, workers: int, instance_type: str, *, spot: bool) -> None:
        """Have so many machines.

        The launch template stays the stack's; of the policy the types and the share of spot machines are set anew.

        Raises:
            DeploymentError: the group is not there, is none of ours, or refuses us.
        """
        found = self._describe()
        template = found.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
        if not template:
            raise DeploymentError(f'group {self.name} has no launch template of ours: run `cdk deploy "gpu/*"`')
        known = {key: template[key] for key in ("LaunchTemplateId", "Version") if key in template}
        policy = {
            "LaunchTemplate": {"LaunchTemplateSpecification": known, "Overrides": [{"InstanceType": instance_type}]},
            "InstancesDistribution": {
                "OnDemandBaseCapacity": 0,
                "OnDemandPercentageAboveBaseCapacity": 0 if spot else 100,
                "SpotAllocationStrategy": "price-capacity-optimized",
            },
        }
        with calling_aws(f"group {self.name}"):
            self._client.update_auto_scaling_group(
                AutoScalingGroupName=self.name, MixedInstancesPolicy=policy, DesiredCapacity=workers
            )

    def stop(self) -> None:
        """Have no machine. Each is shut down, which its worker is told by SIGTERM."""
        self._describe()
        with calling_aws(f"group {self.name}"):
            self._client.update_auto_scaling_group(AutoScalingGroupName=self.name, DesiredCapacity=0)

    def _describe(self) -> dict[str, Any]:
        with calling_aws(f"group {self.name}"):
            answer = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        groups: list[dict[str, Any]] = answer["AutoScalingGroups"]
        if not groups:
            raise DeploymentError(f'there is no Auto Scaling group {self.name} here: run `cdk deploy "gpu/*"`')
        return groups[0]


def open_group(name: str, region: str) -> Group:
    """Return a group."""
    return Group(make_client("autoscaling", region), name)


def ask_spot_price(instance_type: str, region: str) -> float | None:
    """Return the lowest present spot price of a type, US dollars an hour; None if EC2 does not tell."""
    try:
        with calling_aws(f"the spot prices of {region}"):
            answer = make_client("ec2", region).describe_spot_price_history(
                InstanceTypes=[instance_type], ProductDescriptions=["Linux/UNIX"], MaxResults=20
            )
    except DeploymentError:  # a right that nothing else here needs
        return None
    latest: dict[str, float] = {}
    for item in answer["SpotPriceHistory"]:  # the newest first
        latest.setdefault(item["AvailabilityZone"], float(item["SpotPrice"]))
    return min(latest.values(), default=None)
