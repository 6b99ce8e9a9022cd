"""Where a fleet is: its queues and its group, by deployment, or a queue of one's own by URL."""

from dataclasses import dataclass

from mycelium.aws import calling_aws, make_client, region_of
from mycelium.deployment import bucket_parameter, dead_letter_parameter, gpu_group_parameter, shard_queue_parameter
from mycelium.errors import DeploymentError
from mycelium.settings import read_settings


@dataclass(frozen=True, slots=True)
class Places:
    """Where a fleet is.

    Attributes:
        region: the region.
        queue: URL of the queue of shards.
        dead_letters: URL of the queue of shards that were given up; None if nobody knows it.
        group: the Auto Scaling group's name; None where the machines are the user's own.
        bucket: the deployment's data bucket; None where there is no deployment.
    """

    region: str
    queue: str
    dead_letters: str | None = None
    group: str | None = None
    bucket: str | None = None


def find_places(deployment: str, queue: str | None = None) -> Places:
    """Find a fleet's queues and machines.

    Args:
        deployment: what `cdk deploy` called the stack.
        queue: the URL of a queue, for machines that are the user's own; nothing is looked up then.

    Raises:
        UserInputError: that is no URL of a queue, or one of another region than is set.
        DeploymentError: there is no such deployment in this region, or it has no GPU side.
    """
    if queue is not None:
        return _own_places(queue)
    names = {
        "queue": shard_queue_parameter(deployment),
        "dead_letters": dead_letter_parameter(deployment),
        "group": gpu_group_parameter(deployment),
        "bucket": bucket_parameter(deployment),
    }
    with calling_aws(f"deployment {deployment!r}"):
        client = make_client("ssm")
        answer = client.get_parameters(Names=list(names.values()))
    found = {item["Name"]: str(item["Value"]) for item in answer["Parameters"]}
    region = str(client.meta.region_name)
    value = {what: found.get(name) for what, name in names.items()}
    if value["bucket"] is None:
        raise DeploymentError(
            f"no deployment {deployment!r} in region {region} of this account: run `cdk deploy`, "
            "or set AWS_REGION or --deployment to where and what it is; --queue for machines of your own"
        )
    if value["queue"] is None or value["group"] is None:
        raise DeploymentError(
            f'deployment {deployment!r} in region {region} has no GPU side: run `cdk deploy "gpu/*"`, '
            "or give --queue for machines of your own"
        )
    return Places(region, value["queue"], value["dead_letters"], value["group"], value["bucket"])


def _own_places(queue: str) -> Places:
    region = region_of(queue, read_settings().region)
    with calling_aws(f"queue {queue}"):
        return Places(region or str(make_client("sqs").meta.region_name), queue)
