"""The queue of shards, as the coordinator sees it: fill it, count it, look at what was given up."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from coordinator.fleet.places import Places
from mycelium.aws import calling_queue, error_code, make_client
from mycelium.errors import DeploymentError
from mycelium.fleet.records import JOB_TAG, ShardCall

_BATCH = 10
"""Messages in one request: the most that SQS takes."""

_ROUNDS = 1000
"""Requests made to empty the dead-letter queue, at most."""

_PEEKS = 10
"""Requests made to look into the dead-letter queue; each shows ten messages at most."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages in a queue, as nearly as SQS knows.

    Attributes:
        waiting: to be leased.
        leased: at a worker.
    """

    waiting: int
    leased: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.leased


class FleetQueue:
    """The queue of shards, and the one behind it."""

    def __init__(self, client: Any, places: Places) -> None:  # noqa: ANN401 - boto3 is not typed
        """Take the queues; `open_queue` makes the client."""
        self._client, self._places = client, places

    @property
    def url(self) -> str:
        """What a worker's `--queue` takes."""
        return self._places.queue

    def count(self) -> Counts:
        """Count the shards.

        Raises:
            DeploymentError: there is no such queue, or it refuses us.
        """
        return self._count(self._places.queue)

    def count_dead(self) -> int:
        """Count the shards that were given up; 0 if nobody knows where they are."""
        return self._count(self._places.dead_letters).total if self._places.dead_letters else 0

    def read_job(self) -> str | None:
        """Return the job whose shards the queue was filled with last."""
        with self._calling():
            tags: dict[str, str] = self._client.list_queue_tags(QueueUrl=self._places.queue).get("Tags", {})
        return tags.get(JOB_TAG)

    def say_job(self, job: str) -> None:
        """Say whose shards the queue holds."""
        with self._calling():
            self._client.tag_queue(QueueUrl=self._places.queue, Tags={JOB_TAG: job})

    def fill(self, calls: Sequence[ShardCall]) -> None:
        """Send shards.

        Raises:
            DeploymentError: some were not taken.
        """
        for start in range(0, len(calls), _BATCH):
            entries = [
                {"Id": str(i), "MessageBody": msgspec.json.encode(call).decode()}
                for i, call in enumerate(calls[start : start + _BATCH])
            ]
            with self._calling():
                answer = self._client.send_message_batch(QueueUrl=self._places.queue, Entries=entries)
            for failed in answer.get("Failed", []):
                raise DeploymentError(f"queue {self._places.queue} does not take a shard: {failed.get('Message')}")

    def empty(self) -> None:
        """Delete every shard that is waiting or leased; what workers have in hand they finish."""
        self._purge(self._places.queue)

    def forget_dead(self, job: str) -> None:
        """Delete the shards of a job that were given up: they are going to be tried again."""
        for _ in range(_ROUNDS):
            found = self._receive_dead(seconds=30)
            ours = [receipt for receipt, call in found if call is not None and call.job == job]
            entries = [{"Id": str(i), "ReceiptHandle": receipt} for i, receipt in enumerate(ours)]
            if entries:
                with self._calling():
                    self._client.delete_message_batch(QueueUrl=self._places.dead_letters, Entries=entries)
            if not found:
                return

    def list_dead(self) -> list[ShardCall]:
        """Return shards that were given up, by job and number; they stay where they are."""
        seen: dict[tuple[str, int], ShardCall] = {}
        for _ in range(_PEEKS):
            n_seen = len(seen)
            seen |= {(call.job, call.number): call for _, call in self._receive_dead(seconds=0) if call is not None}
            if len(seen) == n_seen:
                break
        return [seen[at] for at in sorted(seen)]

    def _receive_dead(self, seconds: int) -> list[tuple[str, ShardCall | None]]:
        """Return receipts and shards of some messages of the dead-letter queue, hidden from others for so long."""
        if not self._places.dead_letters:
            return []
        with self._calling():
            answer = self._client.receive_message(
                QueueUrl=self._places.dead_letters, MaxNumberOfMessages=_BATCH, VisibilityTimeout=seconds
            )
        found: list[tuple[str, ShardCall | None]] = []
        for message in answer.get("Messages", []):
            call = None
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                call = msgspec.json.decode(message["Body"], type=ShardCall)
            found.append((message["ReceiptHandle"], call))
        return found

    def _purge(self, url: str) -> None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - only the cloud pays for it

        with self._calling():
            try:
                self._client.purge_queue(QueueUrl=url)
            except ClientError as error:
                if "PurgeQueueInProgress" not in error_code(error):
                    raise  # else it is being emptied: SQS takes a minute for that, and refuses a second request in it

    def _count(self, url: str) -> Counts:
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        with self._calling():
            answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        values = [int(answer["Attributes"].get(name, 0)) for name in names]
        return Counts(values[0] + values[2], values[1])

    def _calling(self) -> contextlib.AbstractContextManager[None]:
        advice = 'run `cdk deploy "gpu/*"`, or make one and give --queue'
        return calling_queue(self._places.queue, f"in region {self._places.region} of this account: {advice}")


def open_queue(places: Places) -> FleetQueue:
    """Return a fleet's queues."""
    return FleetQueue(make_client("sqs", places.region), places)
