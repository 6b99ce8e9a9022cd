"""A worker reads what a queue offers, and whatever ends it, the queue and the store agree about what is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from gpu_workers.teacher import load_teacher
from gpu_workers.work.lease import ShardQueue
from gpu_workers.work.notice import Machine, Stop
from gpu_workers.work.shard_reader import ShardReader
from gpu_workers.work.worker import Reporter, Worker, first_status
from mycelium.errors import UserInputError
from mycelium.fleet.chunks import written_chunks
from mycelium.fleet.records import Job, ShardCall, ShardMark, WorkerStatus, job_key, put_record, read_record
from mycelium.manifest import Outcome
from mycelium.store import S3Store
from tests.gpu_workers.work.conftest import Queues, build_job, build_problems, make_teacher_folder

DATASETS = ("tokens", "iaf")


def make_worker(queue: ShardQueue, store: S3Store, name: str = "one", **changes: Any) -> Worker:
    """Make a worker that does not wait for long."""

    def open_reader(job: Job) -> ShardReader:
        return ShardReader(store, job, load_teacher(job.model, device="cpu"))

    machine = changes.pop("machine", Machine())
    reporter = Reporter(store, first_status(name, machine))
    options: dict[str, Any] = {"open_reader": open_reader, "stop": Stop(), "wait_s": 0, "idle_s": 30.0} | changes
    return Worker(queue=queue, store=store, reporter=reporter, machine=machine, **options)


def status_of(store: S3Store, job: Job, name: str = "one") -> WorkerStatus:
    return read_record(store, job_key(job.name, "workers", name), WorkerStatus)


def mark_of(store: S3Store, job: Job, number: int = 0) -> ShardMark:
    return read_record(store, job_key(job.name, "shards", f"{number:05d}"), ShardMark)


def test_it_works_until_the_queue_is_drained(queues: Queues, queue: ShardQueue, s3: S3Store, model: str) -> None:
    job, calls = build_job(s3, build_problems(s3, 5), model, 2)
    queues.send(*calls)
    worker = make_worker(queue, s3)
    end = worker.run()
    assert (end.reason, end.is_done, end.shards, end.problems, end.failed) == ("the queue is drained", True, 2, 10, ())
    assert queues.count() == (0, 0)
    reader = worker._reader
    assert reader is not None
    assert len(written_chunks(s3, reader.claim.run_id, DATASETS)) == 5
    assert len(list(s3.list(f"outcomes/{reader.claim.run_id}/"))) == 5
    status = status_of(s3, job)
    assert (status.state, status.problems, status.chunks) == ("stopped", 10, 5)
    assert mark_of(s3, job).state == "done"


def test_what_a_dead_worker_left_is_not_read_again(queues: Queues, queue: ShardQueue, s3: S3Store, model: str) -> None:
    _, calls = build_job(s3, build_problems(s3, 4), model, 1)
    queues.send(*calls)
    first = make_worker(queue, s3, stop=(stop := Stop()))
    count = first.reporter.count

    def count_and_stop(outcome: Outcome) -> None:
        count(outcome)
        stop.set("enough")

    first.reporter.count = count_and_stop  # type: ignore[method-assign]
    assert first.run().problems == 2
    assert queues.count() == (1, 0)
    second = make_worker(queue, s3, "two")
    assert (second.run().problems, queues.count()) == (6, (0, 0))


def test_a_stop_finishes_the_chunk_in_hand_and_gives_the_shard_back_as_new(
    queues: Queues, queue: ShardQueue, s3: S3Store, model: str
) -> None:
    job, calls = build_job(s3, build_problems(s3, 4), model, 1)
    queues.send(*calls)
    for turn in range(3):  # more often than a shard may fail
        stop = Stop()
        worker = make_worker(queue, s3, stop=stop)
        say = worker.reporter.say

        def stop_at_work(stop: Stop = stop, say: Callable[..., None] = say, **changes: object) -> None:
            say(**changes)
            if changes.get("state") == "working":
                stop.set("SIGTERM")

        worker.reporter.say = stop_at_work  # type: ignore[method-assign,assignment]
        end = worker.run()
        assert (end.reason, end.is_done, end.shards) == ("SIGTERM", False, 0), turn
        assert queues.count() == (1, 0)
        assert mark_of(s3, job).state == "returned"
    lease = queue.lease(0)
    assert lease is not None
    assert lease.tries == 1
    assert queues.count(queues.dead) == (0, 0)


def test_a_chunk_that_fails_is_named_and_three_tries_put_the_shard_aside(
    queues: Queues, queue: ShardQueue, s3: S3Store, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_workers.work.worker.RETRY_S", 0)
    problems = build_problems(s3, 3)
    job, calls = build_job(s3, problems, model, 1)
    queues.send(*calls)
    key = problems.chunks("problems")["00001"].key
    s3.put(key, b"not what it was", mode="overwrite")
    end = make_worker(queue, s3).run()
    assert len(end.failed) == 3
    assert "chunk 00001" in end.failed[0]
    assert (queues.count(), queues.count(queues.dead)) == ((0, 0), (1, 0))
    mark = mark_of(s3, job)
    assert (mark.state, mark.tries) == ("failed", 3)
    assert "00001" in str(mark.error)
    assert end.problems == 4  # the other chunks were read, once


def test_the_last_try_says_the_very_problem(
    queues: Queues, queue: ShardQueue, s3: S3Store, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, calls = build_job(s3, build_problems(s3, 2), model, 1)
    queues.send(*calls)
    for _ in range(2):
        lease = queue.lease(0)
        assert lease is not None
        queue.let_fail(lease, 0)
    said: list[tuple[str, str]] = []

    def keep(store: S3Store, key: str, record: object) -> None:
        if isinstance(record, ShardMark):
            said.append((record.chunk_id, record.last_problem))
        put_record(store, key, record)

    monkeypatch.setattr("gpu_workers.work.worker.put_record", keep)
    make_worker(queue, s3).run()
    reading = said[:-1]
    assert reading == [(c, p) for c, ids in (("00000", "q0 q1 q1"), ("00001", "q2 q3 q3")) for p in ids.split()]
    assert mark_of(s3, job).tries == 3


def test_another_teacher_is_refused_and_the_shard_stays(
    queues: Queues, queue: ShardQueue, s3: S3Store, model: str, tmp_path: Path
) -> None:
    _, calls = build_job(s3, build_problems(s3, 2), model, 2)
    queues.send(calls[0])
    make_worker(queue, s3).run()
    queues.send(calls[1])
    other = make_teacher_folder(tmp_path / "other" / "tiny", seed=1)
    worker = make_worker(
        queue, s3, "two", open_reader=lambda job: ShardReader(s3, job, load_teacher(other, device="cpu"))
    )
    with pytest.raises(UserInputError, match=r"under way with teacher tiny@\w+, and here it would be tiny@"):
        worker.run()
    assert queues.count() == (1, 0)


def test_shards_of_another_job_or_store_are_refused(queues: Queues, queue: ShardQueue, s3: S3Store, model: str) -> None:
    _, calls = build_job(s3, build_problems(s3, 2), model, 1)
    queues.send(ShardCall("gsm8k-000000000000", 0, 0, 1))
    with pytest.raises(UserInputError, match=r"knows no such job: this is the queue of another store or run"):
        make_worker(queue, s3).run()
    queues.client.purge_queue(QueueUrl=queues.url)
    worker = make_worker(queue, s3)
    queues.send(*calls)
    lease = queue.lease(0)
    assert lease is not None
    worker._serve(lease)
    queues.send(ShardCall("gsm8k-000000000000", 0, 0, 1))
    with pytest.raises(UserInputError, match=r"this worker is at job gsm8k-"):
        worker.run()


def test_it_stays_a_while_when_others_are_at_the_last_shards(
    queues: Queues, queue: ShardQueue, s3: S3Store, model: str
) -> None:
    _, calls = build_job(s3, build_problems(s3, 2), model, 1)
    queues.send(*calls)
    assert queue.lease(0) is not None
    now = iter(range(100))
    end = make_worker(queue, s3, idle_s=5.0, clock=lambda: float(next(now))).run()
    assert (end.reason, end.is_done) == ("nothing to do: others are at the last shards", True)


def test_a_lease_that_was_lost_is_left_to_who_has_it(
    queues: Queues, queue: ShardQueue, s3: S3Store, model: str
) -> None:
    _, calls = build_job(s3, build_problems(s3, 2), model, 1)
    queues.send(*calls)
    worker = make_worker(queue, s3)
    lease = queue.lease(0)
    assert lease is not None
    queue.acknowledge(lease)  # somebody else was faster
    assert not queue.renew(lease)
    worker._serve(lease)
    assert queues.count() == (0, 0)


def test_a_machine_that_costs_says_so(queues: Queues, queue: ShardQueue, s3: S3Store, model: str) -> None:
    job, calls = build_job(s3, build_problems(s3, 1), model, 1)
    changed = Job(**{name: getattr(job, name) for name in job.__slots__} | {"usd_per_hour": {"spot": 0.4}})
    put_record(s3, job_key(job.name, "job"), changed)
    queues.send(*calls)
    make_worker(queue, s3, machine=Machine("i-1", "g5.xlarge", "spot", "us-east-1")).run()
    status = status_of(s3, job)
    assert (status.usd_per_hour, status.instance_type, status.lifecycle) == (0.4, "g5.xlarge", "spot")


def test_a_worker_started_again_goes_on_counting(queues: Queues, queue: ShardQueue, s3: S3Store, model: str) -> None:
    job, calls = build_job(s3, build_problems(s3, 4), model, 2)
    for call in calls:
        queues.send(call)
        make_worker(queue, s3).run()
    assert status_of(s3, job).problems == 8


def test_a_bucket_that_went_is_no_reason_to_fail_the_shard(
    queues: Queues, queue: ShardQueue, s3: S3Store, model: str, bucket: str
) -> None:
    _, calls = build_job(s3, build_problems(s3, 1), model, 1)
    worker = make_worker(queue, s3)
    queues.send(*calls)
    boto3.resource("s3").Bucket(bucket).objects.all().delete()
    boto3.client("s3").delete_bucket(Bucket=bucket)
    with pytest.raises(OSError, match="there is no bucket"):
        worker.run()
    assert queues.count() == (1, 0)
