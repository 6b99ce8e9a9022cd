"""The queue of shards, as a worker sees it: lease, renew, acknowledge, give back.

A lease is SQS's invisibility: while a worker renews it nobody else is offered the shard, and once the worker is dead it
lapses by itself. Every lease is counted by SQS, and after `MAX_TRIES` of them it puts the shard aside, into the
dead-letter queue. That is right for a shard that killed its workers, and wrong for one whose machines were taken away
with notice: so a shard is given back in good order as a new message, whose count starts afresh (ADR 0062).
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from mycelium.aws import calling_queue, error_code, make_client, region_of
from mycelium.errors import DeploymentError, UserInputError
from mycelium.fleet.records import ShardCall
from mycelium.hint import say_command
from mycelium.settings import read_settings

LEASE_S = 120
"""How long a shard stays with a worker that says nothing more."""

WAIT_S = 5
"""How long one request waits for a shard; so long, too, does a worker that is told to stop while it has none."""

RETRY_S = 30
"""After how long a shard on which a chunk failed is offered again."""

_GONE = {
    "InvalidParameterValue",
    "ReceiptHandleIsInvalid",
    "MessageNotInflight",
    "AWS.SimpleQueueService.MessageNotInflight",
}


@dataclass(frozen=True, slots=True)
class Lease:
    """A shard that is ours for a while.

    Attributes:
        call: the shard.
        receipt: what SQS knows this lease by.
        tries: how often the shard was leased without being given back in good order, this time included.
    """

    call: ShardCall
    receipt: str
    tries: int


class ShardQueue:
    """The queue that a fleet's workers share."""

    def __init__(self, client: Any, url: str, lease_s: int = LEASE_S) -> None:  # noqa: ANN401 - boto3 is not typed
        """Take a queue.

        Args:
            client: a boto3 client of SQS.
            url: the queue's.
            lease_s: how long a lease lasts unless it is renewed.
        """
        self._client, self._url, self.lease_s = client, url, lease_s

    @classmethod
    def open(cls, url: str, lease_s: int = LEASE_S) -> Self:
        """Open a queue by its URL, and see that it is there.

        Raises:
            UserInputError: this is no URL, or one of another region.
            DeploymentError: there is no such queue, or it refuses us.
        """
        client = make_client("sqs", region_of(url, read_settings().region))
        queue = cls(client, url, lease_s)
        queue.n_open()
        return queue

    def lease(self, wait_s: int = WAIT_S) -> Lease | None:
        """Lease a shard; None if there was none to be had.

        Raises:
            UserInputError: the message is no shard of ours; it stays in the queue.
        """
        with self._calling():
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=self.lease_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        for message in answer.get("Messages", []):
            try:
                call = msgspec.json.decode(message["Body"], type=ShardCall)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise UserInputError(
                    f"queue {self._url} holds a message that is no shard ({error}): is it another queue?"
                ) from None
            return Lease(call, message["ReceiptHandle"], int(message["Attributes"]["ApproximateReceiveCount"]))
        return None

    def renew(self, lease: Lease) -> bool:
        """Keep a lease for another `lease_s`; return whether it was still ours."""
        return self._set_visibility(lease, self.lease_s)

    def acknowledge(self, lease: Lease) -> None:
        """Say that a shard is done: every chunk of it is in the store."""
        with self._calling():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=lease.receipt)

    def give_back(self, lease: Lease) -> None:
        """Give a shard back in good order: it is offered again at once, and this lease counts for nothing.

        Between the two requests the shard is in the queue twice; killed there, it stays so, and whoever leases the
        second one finds its chunks done.
        """
        with self._calling():
            self._client.send_message(QueueUrl=self._url, MessageBody=msgspec.json.encode(lease.call).decode())
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=lease.receipt)

    def let_fail(self, lease: Lease, retry_s: int) -> None:
        """Give a shard back on which a chunk failed: it is offered again after a while, and this lease counts."""
        self._set_visibility(lease, retry_s)

    def n_open(self) -> int:
        """Return how many shards are waiting or leased, as nearly as SQS knows.

        Raises:
            DeploymentError: there is no such queue, or it refuses us.
        """
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        with self._calling():
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        return sum(int(answer["Attributes"].get(name, 0)) for name in names)

    def _set_visibility(self, lease: Lease, seconds: int) -> bool:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - only a queue pays for it

        with self._calling():
            try:
                self._client.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=lease.receipt, VisibilityTimeout=seconds
                )
            except ClientError as error:
                # It lapsed and is another worker's, or SQS has kept it from others for its twelve hours.
                if error_code(error) in _GONE:
                    return False
                raise
        return True

    def _calling(self) -> contextlib.AbstractContextManager[None]:
        start = say_command("coordinator fleet start")
        return calling_queue(self._url, f"in this account and region: `{start}` prints the one it filled")


class LeaseKeeper:
    """Renews a lease from a thread of its own, three times in its life, until the block that it is for ends.

    Attributes:
        lost: set once the lease turned out to be another worker's.
    """

    def __init__(
        self, queue: ShardQueue, lease: Lease, wait: Callable[[threading.Event, float], bool] | None = None
    ) -> None:
        """Keep a lease.

        Args:
            queue: where it is.
            lease: which.
            wait: waits until an event is set or so many seconds are gone, and says whether it is set: the clock.
        """
        self._queue, self._lease = queue, lease
        self._wait = wait or threading.Event.wait
        self._end = threading.Event()
        self.lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Begin to renew it."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Renew it no more."""
        self._end.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._wait(self._end, self._queue.lease_s / 3):
            try:
                if not self._queue.renew(self._lease):
                    self.lost.set()
                    return
            except DeploymentError:
                continue  # the network may be back before the lease lapses; if not, another worker finds the chunks
