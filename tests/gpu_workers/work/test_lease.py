"""A lease: ours while we renew it, another's once it lapsed, counted unless it is given back in good order."""

import threading

import pytest

from gpu_workers.work.lease import Lease, LeaseKeeper, ShardQueue
from mycelium.errors import DeploymentError, UserInputError
from mycelium.fleet.records import ShardCall
from tests.gpu_workers.work.conftest import Queues

CALL = ShardCall("gsm8k-0123456789ab", 3, 0, 1960)


def lease_now(queue: ShardQueue) -> Lease:
    lease = queue.lease(0)
    assert lease is not None
    return lease


def test_a_shard_is_one_worker_s_until_it_is_acknowledged(queues: Queues, queue: ShardQueue) -> None:
    queues.send(CALL)
    lease = lease_now(queue)
    assert (lease.call, lease.tries, queue.n_open()) == (CALL, 1, 1)
    assert queue.lease(0) is None
    queue.acknowledge(lease)
    assert (queue.lease(0), queue.n_open()) == (None, 0)


def test_given_back_it_is_as_new_and_failed_it_is_counted(queues: Queues, queue: ShardQueue) -> None:
    queues.send(CALL)
    for _ in range(4):
        lease = lease_now(queue)
        assert lease.tries == 1
        queue.give_back(lease)
    for tries in (1, 2, 3):
        lease = lease_now(queue)
        assert lease.tries == tries
        queue.let_fail(lease, 0)
    assert queue.lease(0) is None
    assert queues.count(queues.dead) == (1, 0)


def test_a_keeper_renews_three_times_in_a_lease_s_life_by_the_clock_it_is_given(
    queues: Queues, queue: ShardQueue
) -> None:
    queues.send(CALL)
    waits: list[float] = []
    enough = threading.Event()

    def wait(event: threading.Event, seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) > 5:
            enough.set()
            return event.wait(60)
        return event.is_set()

    with LeaseKeeper(queue, lease_now(queue), wait) as keeper:
        assert enough.wait(60)
    assert set(waits) == {queue.lease_s / 3}
    assert not keeper.lost.is_set()


def test_a_keeper_says_that_a_lease_is_lost_and_renews_no_more(queues: Queues, queue: ShardQueue) -> None:
    queues.send(CALL)
    lease = lease_now(queue)
    queue.acknowledge(lease)
    with LeaseKeeper(queue, lease, lambda event, _: event.is_set()) as keeper:
        assert keeper.lost.wait(60)


def test_a_keeper_outlives_a_network_that_fails(queues: Queues, queue: ShardQueue) -> None:
    queues.send(CALL)
    lease, asked, again = lease_now(queue), 0, threading.Event()

    class Flaky(ShardQueue):
        def renew(self, lease: Lease) -> bool:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise DeploymentError("the network is down")
            again.set()
            return True

    flaky = Flaky(queues.client, queues.url, 3)
    with LeaseKeeper(flaky, lease, lambda event, _: event.is_set() or (again.is_set() and event.wait(60))) as keeper:
        assert again.wait(60)
    assert not keeper.lost.is_set()


def test_a_message_that_is_no_shard_is_said_and_stays(queues: Queues, queue: ShardQueue) -> None:
    queues.client.send_message(QueueUrl=queues.url, MessageBody='{"job": 1}')
    with pytest.raises(UserInputError, match="a message that is no shard"):
        queue.lease(0)
    assert queue.n_open() == 1


def test_no_queue_no_credentials_and_no_network_are_one_line_each(
    queues: Queues, monkeypatch: pytest.MonkeyPatch, aws: str
) -> None:
    with pytest.raises(DeploymentError, match=r"there is no queue .*-none in this account and region"):
        ShardQueue.open(f"{queues.url}-none")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DeploymentError, match="can't be reached"):
        ShardQueue.open(queues.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(DeploymentError, match="AWS credentials are needed"):
        ShardQueue.open(queues.url)
