"""The uploader's counters as CloudWatch metrics, for machines on AWS."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpu_workers.spool.daemon import Look, Tell
from gpu_workers.spool.meter import Counts
from mycelium.deployment import UPLOAD_NAMESPACE

EVERY_S = 60.0
DMI = Path("/sys/devices/virtual/dmi/id")
"""What the firmware says of the machine; on EC2, by whom it is made and which instance it is."""


def is_on_ec2(dmi: Path = DMI) -> bool:
    """Return whether this machine is an EC2 instance, as its firmware says; no request is made."""
    try:
        return (dmi / "sys_vendor").read_text().strip() == "Amazon EC2"
    except OSError:
        return False


def name_machine(dmi: Path = DMI) -> str:
    """Return the instance's id, or the host's name where there is none."""
    try:
        tag = (dmi / "board_asset_tag").read_text().strip()
    except OSError:
        tag = ""
    return tag if tag.startswith("i-") else socket.gethostname()


def list_metrics(look: Look, before: Counts, machine: str) -> list[dict[str, object]]:
    """Return what CloudWatch is told: levels as they are, counters as what was added since the last time."""
    counts = look.counts
    values = {
        "SpoolBytes": (look.level.bytes, "Bytes"),
        "ChunksWaiting": (look.waiting, "Count"),
        "LinkRate": (look.rate, "Bytes/Second"),
        "ChunksUploaded": (counts.files - before.files, "Count"),
        "BytesUploaded": (counts.bytes - before.bytes, "Bytes"),
        "Retries": (counts.retries - before.retries, "Count"),
        "Conflicts": (counts.conflicts - before.conflicts, "Count"),
        "Refused": (counts.refused - before.refused, "Count"),
    }
    dimensions = [{"Name": "Machine", "Value": machine}]
    return [
        {"MetricName": name, "Dimensions": dimensions, "Value": float(value), "Unit": unit}
        for name, (value, unit) in values.items()
    ]


class CloudWatchTell:
    """Shows what another `Tell` shows, and sends it to CloudWatch once a minute; if it may not, says so once."""

    def __init__(
        self,
        inner: Tell,
        client: Any,  # noqa: ANN401 - boto3 makes its clients at run time
        machine: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap a `Tell`.

        Args:
            inner: who shows it here.
            client: a boto3 CloudWatch client.
            machine: the machine's name, a dimension of every metric.
            clock: seconds from any start.
        """
        self._inner, self._client, self._machine, self._clock = inner, client, machine, clock
        self._sent_s, self._before = clock(), Counts()
        self._sending: threading.Thread | None = None
        self._refused: str | None = None
        self._said = False

    def look(self, look: Look) -> None:
        """See `Tell.look`."""
        self._inner.look(look)
        if self._refused is not None:
            if not self._said:
                self._said = True
                self._inner.event("cloudwatch", f"no metrics are sent: {self._refused}")
            return
        busy = self._sending is not None and self._sending.is_alive()
        if not busy and self._clock() - self._sent_s >= EVERY_S:
            self._sent_s = self._clock()
            metrics = list_metrics(look, self._before, self._machine)
            self._before = replace(look.counts)
            # A thread of its own: CloudWatch may be slow, and no upload waits for it.
            self._sending = threading.Thread(target=self._send, args=(metrics,), daemon=True, name="cloudwatch")
            self._sending.start()

    def event(self, kind: str, line: str) -> None:
        """See `Tell.event`."""
        self._inner.event(kind, line)

    def _send(self, metrics: list[dict[str, object]]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only where it is sent

        try:
            self._client.put_metric_data(Namespace=UPLOAD_NAMESPACE, MetricData=metrics)
        except (BotoCoreError, ClientError) as error:
            self._refused = str(error).splitlines()[0][:200]


def add_cloudwatch(inner: Tell, wanted: bool | None, dmi: Path = DMI) -> Tell:  # noqa: FBT001 - a flag with a default
    """Return a `Tell` that also sends to CloudWatch, if that is wanted.

    Args:
        inner: who shows it here.
        wanted: whether to; None for: on EC2.
        dmi: where the firmware's words are.
    """
    if wanted is False or (wanted is None and not is_on_ec2(dmi)):
        return inner
    import boto3  # noqa: PLC0415 - only where it is sent
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        return CloudWatchTell(inner, boto3.client("cloudwatch"), name_machine(dmi))
    except BotoCoreError as error:
        inner.event("cloudwatch", f"no metrics are sent: {error}")
        return inner
