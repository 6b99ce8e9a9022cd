"""A deployment's GPU side at an endpoint of this machine: queues, an Auto Scaling group, and its parameters."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from coordinator.fleet.places import Places
from coordinator.fleet.queue import FleetQueue, open_queue
from mycelium.datasets import PROBLEMS
from mycelium.deployment import bucket_parameter, dead_letter_parameter, gpu_group_parameter, shard_queue_parameter
from mycelium.manifest import Manifest
from mycelium.schema import Provenance
from mycelium.store import S3Store, Store
from tests.builders import build_run, make_problems


@dataclass(frozen=True)
class Deployed:
    """What `cdk deploy "gpu/*"` would have made."""

    deployment: str
    places: Places
    scaling: Any
    sqs: Any

    def group(self) -> dict[str, Any]:
        """Return the group as it is."""
        answer = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.places.group])
        found: dict[str, Any] = answer["AutoScalingGroups"][0]
        return found


@pytest.fixture
def places(aws: str, bucket: str) -> Places:
    """Two queues, and no machines."""
    sqs, name = boto3.client("sqs"), uuid.uuid4().hex[:12]
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    return Places("us-east-1", url, dead, bucket=bucket)


@pytest.fixture
def queue(places: Places) -> FleetQueue:
    """Those queues."""
    return open_queue(places)


@pytest.fixture
def deployed(places: Places) -> Deployed:
    """The GPU side: queues, a group of at most four machines, and the parameters that name them."""
    name, ssm, ec2 = f"d{uuid.uuid4().hex[:8]}", boto3.client("ssm"), boto3.client("ec2")
    data = {"ImageId": "ami-03cf127a", "InstanceType": "g6.xlarge"}
    template = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
    scaling = boto3.client("autoscaling")
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
            "Overrides": [{"InstanceType": "g6.xlarge"}],
        },
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 100},
    }
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=f"{name}-group",
        MinSize=0,
        MaxSize=4,
        MixedInstancesPolicy=policy,
        AvailabilityZones=["us-east-1a"],
    )
    for parameter, value in {
        bucket_parameter(name): str(places.bucket),
        shard_queue_parameter(name): places.queue,
        dead_letter_parameter(name): str(places.dead_letters),
        gpu_group_parameter(name): f"{name}-group",
    }.items():
        ssm.put_parameter(Name=parameter, Value=value, Type="String")
    at = Places(places.region, places.queue, places.dead_letters, f"{name}-group", places.bucket)
    return Deployed(name, at, scaling, boto3.client("sqs"))


@pytest.fixture
def s3(bucket: str) -> S3Store:
    """The deployment's bucket."""
    return S3Store(bucket)


def build_problems(store: Store, counts: list[int], texts: list[str] | None = None) -> Manifest:
    """Write a run of problems, so many to each chunk, all of one length unless texts are given."""
    table = make_problems(sum(counts))
    columns = table.to_pydict()
    columns["problem"] = ["2 + 2?"] * table.num_rows
    columns["chain_of_thought"] = texts or ["It is 4."] * table.num_rows
    whole = type(table).from_pydict(columns, schema=table.schema)
    starts = [sum(counts[:i]) for i in range(len(counts))]
    tables = [whole.slice(start, count) for start, count in zip(starts, counts, strict=True)]
    provenance = Provenance("math", "MATH")
    return build_run(store, tables, PROBLEMS, "math-bbbbbbbbbbbb", provenance=provenance).manifest
