"""A job is written down, then sent; started again, only what is missing is sent."""

from pathlib import Path

import pytest

from coordinator.fleet.launch import check_model, fill_queue, find_missing, make_job
from coordinator.fleet.plan import FleetPlan, plan_fleet
from coordinator.fleet.queue import FleetQueue
from mycelium.errors import UserInputError
from mycelium.fleet.records import Claim, Job, job_key, put_record, read_job, read_record
from mycelium.schema import Provenance
from mycelium.store import S3Store
from tests.coordinator.fleet.conftest import build_problems

RUN = "math-aaaaaaaaaaaa"


@pytest.fixture
def plan(s3: S3Store) -> FleetPlan:
    return plan_fleet(s3, build_problems(s3, [4] * 8), 2, 2)


@pytest.fixture
def job(plan: FleetPlan) -> Job:
    return make_job(plan, "Qwen/Qwen2.5-Math-7B", {}, "g5.xlarge", clock=lambda: 7.0)


def write_chunks(store: S3Store, chunk_ids: list[str]) -> None:
    for chunk_id in chunk_ids:
        for dataset in ("tokens", "iaf"):
            store.put(f"{dataset}/{RUN}/{chunk_id}.parquet", b"a chunk")


def test_a_job_is_named_by_what_is_to_be_done(plan: FleetPlan, job: Job) -> None:
    assert job.name.startswith("math-")
    assert make_job(plan, "Qwen/Qwen2.5-Math-7B", {}, None).name == job.name
    assert make_job(plan, "Qwen/Qwen2.5-Math-1.5B", {}, None).name != job.name
    assert make_job(plan, "Qwen/Qwen2.5-Math-7B", {"sink": "exclude"}, None).name != job.name


def test_all_shards_are_sent_and_the_queue_says_whose(
    s3: S3Store, queue: FleetQueue, plan: FleetPlan, job: Job
) -> None:
    launch = fill_queue(s3, queue, job, plan)
    assert (launch.sent, launch.waiting, launch.done) == (4, 0, 0)
    assert (queue.count().total, queue.read_job(), read_job(s3, job.name)) == (4, job.name, job)


def test_again_nothing_is_sent_twice(s3: S3Store, queue: FleetQueue, plan: FleetPlan, job: Job) -> None:
    fill_queue(s3, queue, job, plan)
    assert fill_queue(s3, queue, job, plan).sent == 0
    assert queue.count().total == 4


def test_killed_while_it_filled_the_queue_it_fills_it_again(
    s3: S3Store, queue: FleetQueue, plan: FleetPlan, job: Job
) -> None:
    fill_queue(s3, queue, job, plan)
    put_record(s3, job_key(job.name, "filled"), record=False)
    assert fill_queue(s3, queue, job, plan).sent == 4


def test_when_the_queue_is_empty_only_shards_that_are_not_done_are_sent(
    s3: S3Store, queue: FleetQueue, plan: FleetPlan, job: Job
) -> None:
    fill_queue(s3, queue, job, plan)
    queue.empty()
    claim = Claim(RUN, Provenance("math", "MATH", "t@0"), "extract v1", {}, ("tokens", "iaf"), job.problems)
    put_record(s3, job_key(job.name, "run"), claim)
    write_chunks(s3, ["00000", "00001", "00002"])
    s3.put(f"iaf/{RUN}/00003.parquet", b"a chunk whose tokens are not there")
    assert [call.number for call in find_missing(s3, job, plan)] == [1, 2, 3]
    launch = fill_queue(s3, queue, job, plan)
    assert (launch.sent, launch.done, queue.count().total) == (3, 1, 3)


def test_a_job_keeps_its_shards(s3: S3Store, queue: FleetQueue, plan: FleetPlan, job: Job) -> None:
    fill_queue(s3, queue, job, plan)
    queue.empty()
    finer = plan_fleet(s3, plan.problems, 4, 2)
    again = fill_queue(s3, queue, make_job(finer, job.model, {}, None), finer)
    assert (again.job, again.sent) == (job, 4)


def test_the_queue_of_another_job_is_left_alone(s3: S3Store, queue: FleetQueue, plan: FleetPlan, job: Job) -> None:
    fill_queue(s3, queue, job, plan)
    other = make_job(plan, "another/teacher", {}, None)
    with pytest.raises(UserInputError, match=f"still holds 4 shards of job {job.name}.*fleet stop --empty"):
        fill_queue(s3, queue, other, plan)
    assert queue.read_job() == job.name


def test_what_was_given_up_is_tried_again(s3: S3Store, queue: FleetQueue, plan: FleetPlan, job: Job) -> None:
    fill_queue(s3, queue, job, plan)
    for _ in range(8):
        queue._client.receive_message(QueueUrl=queue.url, VisibilityTimeout=0, MaxNumberOfMessages=10)
    assert (queue.count().total, queue.count_dead()) == (0, 4)
    assert fill_queue(s3, queue, job, plan).sent == 4
    assert (queue.count().total, queue.count_dead()) == (4, 0)


def test_a_folder_of_this_machine_is_no_teacher_for_others(tmp_path: Path) -> None:
    for name in (str(tmp_path), "./teacher", "~/teacher", "file:///models/teacher"):
        with pytest.raises(UserInputError, match="the machines can't see the folder .*aws s3 sync"):
            check_model(name, is_cloud=True)
        check_model(name, is_cloud=False)
    check_model("Qwen/Qwen2.5-Math-7B", is_cloud=True)
    check_model("s3://bucket/models/teacher", is_cloud=True)
    with pytest.raises(UserInputError, match="nobody here has a home of that name"):
        check_model("~no-such-user-/teacher", is_cloud=True)


def test_a_record_of_a_job_is_what_it_was(s3: S3Store, job: Job) -> None:
    put_record(s3, "fleet/x/job.json", job)
    assert read_record(s3, "fleet/x/job.json", Job) == job
