"""Metrics on EC2, and never an upload the less for them."""

from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from gpu_workers.spool.cloudwatch import (
    EVERY_S,
    CloudWatchTell,
    add_cloudwatch,
    is_on_ec2,
    list_metrics,
    name_machine,
)
from gpu_workers.spool.daemon import Look
from gpu_workers.spool.meter import Counts
from gpu_workers.spool.spool import Level
from mycelium.deployment import UPLOAD_NAMESPACE
from tests.gpu_workers.spool.conftest import Tape

LOOK = Look(Counts(10, 4000, 0, 3), Level(500, 0, 2), 2, 1, 1000, 1000, 42.0, 1.0)


@pytest.fixture
def ec2(tmp_path: Path) -> Path:
    (tmp_path / "sys_vendor").write_text("Amazon EC2\n")
    (tmp_path / "board_asset_tag").write_text("i-0123456789abcdef0\n")
    return tmp_path


def test_the_firmware_says_what_machine_it_is(ec2: Path, tmp_path: Path) -> None:
    assert is_on_ec2(ec2)
    assert name_machine(ec2) == "i-0123456789abcdef0"
    assert not is_on_ec2(tmp_path / "nothing")
    assert name_machine(tmp_path / "nothing")
    (ec2 / "sys_vendor").write_text("QEMU\n")
    assert not is_on_ec2(ec2)


def test_counters_are_sent_as_what_was_added() -> None:
    metrics = {str(item["MetricName"]): item["Value"] for item in list_metrics(LOOK, Counts(4, 1000, 0, 3), "m")}
    assert metrics["SpoolBytes"] == 500.0
    assert (metrics["ChunksUploaded"], metrics["BytesUploaded"], metrics["Retries"]) == (6.0, 3000.0, 0.0)


def test_cloudwatch_gets_them_once_a_minute(aws: str) -> None:
    client = boto3.client("cloudwatch")
    now = [0.0]
    inner = Tape()
    tell = CloudWatchTell(inner, client, "m-1", lambda: now[0])
    for second in (1.0, EVERY_S, EVERY_S + 1, 2 * EVERY_S):
        now[0] = second
        tell.look(LOOK)
        if tell._sending is not None:
            tell._sending.join()
    names = {item["MetricName"] for item in client.list_metrics(Namespace=UPLOAD_NAMESPACE)["Metrics"]}
    assert {"SpoolBytes", "ChunksUploaded", "BytesUploaded", "Retries", "LinkRate"} <= names
    assert tell._before == LOOK.counts
    assert len(inner.looks) == 4


def test_a_refusal_is_said_once() -> None:
    class Client:
        calls = 0

        def put_metric_data(self, **_: object) -> None:
            self.calls += 1
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutMetricData")

    now, client, inner = [0.0], Client(), Tape()
    tell = CloudWatchTell(inner, client, "m", lambda: now[0])
    for _ in range(5):
        now[0] += EVERY_S
        tell.look(LOOK)
        if tell._sending is not None:
            tell._sending.join()
    assert client.calls == 1
    assert [kind for kind, _ in inner.events] == ["cloudwatch"]
    assert "AccessDenied" in inner.events[0][1]


def test_it_is_for_ec2_unless_somebody_says_otherwise(ec2: Path, aws: str, tmp_path: Path) -> None:
    inner = Tape()
    assert isinstance(add_cloudwatch(inner, None, ec2), CloudWatchTell)
    assert add_cloudwatch(inner, wanted=False, dmi=ec2) is inner
    assert add_cloudwatch(inner, None, tmp_path / "nothing") is inner
    assert isinstance(add_cloudwatch(inner, wanted=True, dmi=tmp_path / "nothing"), CloudWatchTell)
