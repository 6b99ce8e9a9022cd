"""How a fleet stands is read from the store and the queue, and who is silent is not counted as working."""

import pytest

from coordinator.fleet.launch import fill_queue, make_job
from coordinator.fleet.plan import plan_fleet
from coordinator.fleet.queue import FleetQueue
from coordinator.fleet.status import find_job, look_at_fleet
from mycelium.errors import UnknownRunError
from mycelium.fleet.records import Claim, Job, ShardMark, WorkerStatus, job_key, put_record
from mycelium.schema import Provenance
from mycelium.store import S3Store
from tests.coordinator.fleet.conftest import build_problems

RUN = "math-aaaaaaaaaaaa"
NOW = 10_000.0


@pytest.fixture
def job(s3: S3Store, queue: FleetQueue) -> Job:
    plan = plan_fleet(s3, build_problems(s3, [10, 10, 10, 5]), 2, 1)
    made = make_job(plan, "a/teacher", {}, "g5.xlarge", clock=lambda: 1.0)
    fill_queue(s3, queue, made, plan)
    return made


def add_worker(s3: S3Store, job: Job, name: str, **changes: object) -> None:
    facts: dict[str, object] = {"state": "working", "started_s": NOW - 3600, "seen_s": NOW - 5}
    facts |= {"problems": 20, "busy_s": 40.0, "usd_per_hour": 0.5}
    put_record(s3, job_key(job.name, "workers", name), WorkerStatus(name, **(facts | changes)))  # type: ignore[arg-type]


def claim_and_write(s3: S3Store, job: Job, chunk_ids: list[str]) -> None:
    claim = Claim(RUN, Provenance("math", "MATH", "t@0"), "extract v1", {}, ("tokens", "iaf"), job.problems)
    put_record(s3, job_key(job.name, "run"), claim)
    for chunk_id in chunk_ids:
        for dataset in ("tokens", "iaf"):
            s3.put(f"{dataset}/{RUN}/{chunk_id}.parquet", b"a chunk")


def test_before_anybody_began(s3: S3Store, job: Job, queue: FleetQueue) -> None:
    look = look_at_fleet(s3, job, queue, clock=lambda: NOW)
    assert (look.run_id, look.problems_done, look.problems, look.left_s, look.cost) == (None, 0, 35, None, None)
    assert look.shards is not None
    assert look.shards.waiting == 2


def test_totals_are_of_those_who_are_there(s3: S3Store, job: Job, queue: FleetQueue) -> None:
    claim_and_write(s3, job, ["00000", "00003"])
    add_worker(s3, job, "a")
    add_worker(s3, job, "b", busy_s=20.0)
    add_worker(s3, job, "silent", seen_s=NOW - 300)
    add_worker(s3, job, "gone", state="stopped", seen_s=NOW - 1800)
    look = look_at_fleet(s3, job, queue, clock=lambda: NOW)
    assert (look.problems_done, look.problems, look.is_complete) == (15, 35, False)
    assert look.rate == 0.5 + 1.0
    assert look.left_s == pytest.approx(20 / 1.5)
    assert {worker.status.worker: worker.is_silent for worker in look.workers} == {
        "a": False,
        "b": False,
        "silent": True,
        "gone": False,
    }
    assert look.cost == pytest.approx(0.5 * (3595 + 3595 + 3300 + 1800) / 3600)


def test_a_chunk_counts_when_every_dataset_has_it(s3: S3Store, job: Job, queue: FleetQueue) -> None:
    claim_and_write(s3, job, ["00000"])
    s3.put(f"iaf/{RUN}/00001.parquet", b"a chunk whose tokens are not there")
    assert look_at_fleet(s3, job, queue, clock=lambda: NOW).problems_done == 10


def test_when_all_is_there_it_is_complete(s3: S3Store, job: Job, queue: FleetQueue) -> None:
    claim_and_write(s3, job, ["00000", "00001", "00002", "00003"])
    look = look_at_fleet(s3, job, queue, clock=lambda: NOW)
    assert (look.is_complete, look.left_s) == (True, 0.0)


def test_a_shard_that_was_given_up_has_its_last_words(s3: S3Store, job: Job, queue: FleetQueue) -> None:
    mark = ShardMark(1, "w", 3, "reading", "00002", "q20", "q27")
    put_record(s3, job_key(job.name, "shards", "00001"), mark)
    for _ in range(8):
        queue._client.receive_message(QueueUrl=queue.url, VisibilityTimeout=0, MaxNumberOfMessages=10)
    given_up = look_at_fleet(s3, job, queue, clock=lambda: NOW).given_up
    assert given_up == (ShardMark(0, "", 0, ""), mark)


def test_a_job_is_found_by_its_queue_its_name_or_its_beginning(s3: S3Store, job: Job, queue: FleetQueue) -> None:
    assert find_job(s3, None, queue) == find_job(s3, job.name, None) == find_job(s3, "math", None) == job
    with pytest.raises(UnknownRunError, match="no job 'gsm8k'"):
        find_job(s3, "gsm8k", None)
    put_record(s3, job_key("math-000000000000", "job"), Job("math-000000000000", "p", "m", {}, (), "tokens", 1, 2.0))
    with pytest.raises(UnknownRunError, match="may be any of"):
        find_job(s3, "math", None)
    assert find_job(s3, None, None).created_s == 2.0  # the latest
