"""The GPU side costs nothing at rest and lets nothing in."""

import json

from tests.infra.templates import Cloud


def test_nothing_comes_in(cloud: Cloud) -> None:
    (group,) = cloud.gpu_resources("AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group["Properties"]
    assert not cloud.gpu_resources("AWS::EC2::SecurityGroupIngress")


def test_there_is_no_key_to_log_in_with(cloud: Cloud) -> None:
    (template,) = cloud.gpu_resources("AWS::EC2::LaunchTemplate")
    assert "KeyName" not in template["Properties"]["LaunchTemplateData"]
    assert "ssmmessages:OpenDataChannel" in json.dumps(cloud.gpu_resources("AWS::IAM::Policy"))


def test_a_machine_answers_imdsv2_only_and_its_disk_is_encrypted(cloud: Cloud) -> None:
    (template,) = cloud.gpu_resources("AWS::EC2::LaunchTemplate")
    data = template["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])


def test_nothing_that_costs_at_rest_is_there(cloud: Cloud) -> None:
    kinds = {found["Type"] for found in cloud.gpu["Resources"].values()}
    assert not kinds & {"AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::Instance"}
    (endpoint,) = cloud.gpu_resources("AWS::EC2::VPCEndpoint")
    assert endpoint["Properties"]["VpcEndpointType"] == "Gateway"  # the kind that is free


def test_a_shard_is_tried_three_times_and_then_put_aside(cloud: Cloud) -> None:
    queues = cloud.gpu_resources("AWS::SQS::Queue")
    (shards,) = [found["Properties"] for found in queues if "RedrivePolicy" in found["Properties"]]
    assert shards["RedrivePolicy"]["maxReceiveCount"] == 3
    assert len(queues) == 2
    assert all(found["Properties"]["SqsManagedSseEnabled"] for found in queues)


def test_it_finds_the_bucket_by_the_name_that_the_main_stack_publishes(cloud: Cloud) -> None:
    parameter = cloud.gpu["Parameters"]["DataBucketName"]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<String>"
    assert parameter["Default"] == "/mycelium/bucket"


def test_it_publishes_where_the_queue_and_the_machines_are(cloud: Cloud) -> None:
    published = {found["Properties"]["Name"] for found in cloud.gpu_resources("AWS::SSM::Parameter")}
    assert published == {"/mycelium/shard-queue", "/mycelium/dead-letter-queue", "/mycelium/gpu-group"}
