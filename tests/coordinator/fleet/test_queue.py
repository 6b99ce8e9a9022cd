"""The queue holds what was sent, says whose it is, and shows what was given up."""

import pytest

from coordinator.fleet.places import Places
from coordinator.fleet.queue import Counts, FleetQueue, open_queue
from mycelium.errors import DeploymentError
from mycelium.fleet.records import ShardCall

CALLS = [ShardCall("math-0123456789ab", i, i * 10, i * 10 + 9) for i in range(23)]


def test_more_shards_than_one_request_takes_are_all_sent(queue: FleetQueue) -> None:
    queue.fill(CALLS)
    assert queue.count() == Counts(23, 0)
    queue.empty()
    assert queue.count().total == 0


def test_it_says_whose_shards_it_holds(queue: FleetQueue) -> None:
    assert queue.read_job() is None
    queue.say_job("math-0123456789ab")
    assert queue.read_job() == "math-0123456789ab"


def test_what_was_given_up_is_shown_and_stays_until_it_is_forgotten(queue: FleetQueue) -> None:
    queue.fill(CALLS[:2])
    for _ in range(8):
        queue._client.receive_message(QueueUrl=queue.url, VisibilityTimeout=0, MaxNumberOfMessages=10)
    assert (queue.count().total, queue.count_dead()) == (0, 2)
    assert queue.list_dead() == CALLS[:2]
    assert queue.count_dead() == 2
    queue.forget_dead(CALLS[0].job)
    assert queue.count_dead() == 0


def test_without_a_dead_letter_queue_nothing_is_known_of_it(places: Places) -> None:
    alone = open_queue(Places(places.region, places.queue))
    alone.forget_dead("any")
    assert (alone.list_dead(), alone.count_dead()) == ([], 0)


def test_no_queue_is_one_line(places: Places) -> None:
    with pytest.raises(DeploymentError, match=r'there is no queue .*-none in region us-east-1.*cdk deploy "gpu/\*"'):
        open_queue(Places(places.region, f"{places.queue}-none")).count()


def test_another_job_s_dead_shards_stay(queue: FleetQueue) -> None:
    queue.fill(CALLS[:2])
    for _ in range(8):
        queue._client.receive_message(QueueUrl=queue.url, VisibilityTimeout=0, MaxNumberOfMessages=10)
    queue.forget_dead("another-0123456789ab")
    assert queue.count_dead() == 2
