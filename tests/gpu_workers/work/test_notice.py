"""A machine's metadata are asked with a token, and a notice is one whatever it says."""

import threading
import time

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.work.notice import (
    Machine,
    Metadata,
    Stop,
    describe_machine,
    describe_notice,
    leave_group_with,
    watch_for_notice,
)
from mycelium.errors import UserInputError
from tests.gpu_workers.work.metadata import FakeMetadata


def test_a_machine_says_what_it_is() -> None:
    with FakeMetadata(instance="i-9", lifecycle="spot") as fake:
        assert describe_machine(Metadata(fake.url)) == Machine("i-9", "g5.xlarge", "spot", "us-east-1")
        assert fake.refused == 0  # never asked without a token


def test_a_token_that_ran_out_is_renewed() -> None:
    with FakeMetadata() as fake:
        metadata = Metadata(fake.url)
        assert metadata.get("instance-id") == "i-0123"
        fake.token = "token-2"  # noqa: S105 - a token of nobody's
        assert metadata.get("instance-id") == "i-0123"
        assert fake.refused == 1


def test_what_is_not_there_is_none() -> None:
    with FakeMetadata() as fake:
        assert Metadata(fake.url).get("spot/instance-action") is None
    assert describe_machine(Metadata(fake.url)) == Machine()  # nobody answers any more
    assert Metadata("nonsense").get("instance-id") is None


def test_a_notice_sets_the_stop_and_the_clock_is_an_argument() -> None:
    stop, waits = Stop(), []
    with FakeMetadata() as fake:

        def wait(event: threading.Event, seconds: float) -> bool:
            waits.append(seconds)
            if len(waits) == 2:
                fake.give_notice()
            return event.is_set()

        watch_for_notice(Metadata(fake.url), stop, wait).join(30)
    assert stop.reason == "spot notice: terminate at 2026-11-20T12:02:00Z"
    assert len(waits) == 3


def test_a_stop_ends_the_watch() -> None:
    stop = Stop()
    stop.set("SIGTERM")
    with FakeMetadata() as fake:
        watch_for_notice(Metadata(fake.url), stop).join(30)
    stop.set("later")
    assert stop.reason == "SIGTERM"


@given(st.text())
def test_any_text_is_a_notice(text: str) -> None:
    assert describe_notice(text).startswith("spot notice")


def test_a_machine_leaves_its_group_and_makes_it_smaller(aws: str) -> None:
    ec2, scaling = boto3.client("ec2"), boto3.client("autoscaling")
    data = {"ImageId": "ami-03cf127a", "InstanceType": "g5.xlarge"}
    name = f"g-{time.monotonic_ns()}"
    template = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
    spec = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "$Latest"}
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=2,
        LaunchTemplate=spec,
        AvailabilityZones=["us-east-1a"],
    )

    def look() -> tuple[int, list[str]]:
        (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return group["DesiredCapacity"], [found["InstanceId"] for found in group["Instances"]]

    _, instances = look()
    leave_group_with(Machine(instances[0], "g5.xlarge", "spot", "us-east-1"))
    assert look() == (1, instances[1:])
    with pytest.raises(UserInputError, match="none of EC2's"):
        leave_group_with(Machine())
