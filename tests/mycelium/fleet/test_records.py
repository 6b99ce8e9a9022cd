"""What workers and coordinator leave for each other in the store: read back as written, and one run to a job."""

from dataclasses import replace

import pytest

from mycelium.datasets import PROBLEMS
from mycelium.errors import ChunkDamagedError, ObjectNotFoundError, UserInputError
from mycelium.fleet.records import (
    Claim,
    Job,
    WorkerStatus,
    claim_run,
    job_key,
    list_records,
    name_job,
    outcome_key,
    put_record,
    read_job,
    read_record,
)
from mycelium.fleet.shards import Shard
from mycelium.schema import Provenance
from mycelium.store import Store
from tests.builders import build_run, make_problems

JOB = Job(
    "math-0", "math-b", "a/b", {"sink": "keep"}, (Shard(0, 0, 9, 90),), "tokens", 4, 1.0, "g5.xlarge", {"spot": 0.4}
)
CLAIM = Claim("math-a", Provenance("math", "MATH", "t@1"), "extract v1", {"sink": "keep"}, ("tokens", "iaf"), "math-b")


def test_records_are_read_as_they_were_written(store: Store) -> None:
    put_record(store, job_key("math-0", "job"), JOB)
    assert read_job(store, "math-0") == JOB
    for name in ("a", "b"):
        put_record(store, job_key("math-0", "workers", name), WorkerStatus(name, "working", 1.0, 2.0))
    store.put(job_key("math-0", "workers", "broken"), b"{", mode="create")
    assert [s.worker for s in list_records(store, "fleet/math-0/workers/", WorkerStatus)] == ["a", "b"]
    with pytest.raises(ChunkDamagedError, match="can't be read"):
        read_record(store, job_key("math-0", "workers", "broken"), WorkerStatus)
    with pytest.raises(ObjectNotFoundError):
        read_record(store, outcome_key("math-a", "00000"), Claim)


def test_a_job_that_is_not_there_says_what_may_be_wrong(store: Store) -> None:
    with pytest.raises(UserInputError, match="the queue of another store or run"):
        read_job(store, "math-0")


def test_who_comes_first_decides_what_run_a_job_is(store: Store) -> None:
    assert claim_run(store, "math-0", CLAIM) == CLAIM
    assert claim_run(store, "math-0", CLAIM) == CLAIM


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(CLAIM, provenance=Provenance("math", "MATH", "t@2"), run_id="x"), "with teacher t@1, .* be t@2"),
        (replace(CLAIM, stage="extract v2", run_id="x"), "with stage extract v1, .* be extract v2"),
        (replace(CLAIM, params={"sink": "exclude"}, run_id="x"), "with parameters .*keep.*exclude"),
        (replace(CLAIM, problems="math-c", run_id="x"), "with problems math-b"),
        (replace(CLAIM, run_id="x"), "is run math-a, and here it would be x"),
    ],
)
def test_whoever_differs_is_told_in_what(other: Claim, said: str, store: Store) -> None:
    claim_run(store, "math-0", CLAIM)
    with pytest.raises(UserInputError, match=said):
        claim_run(store, "math-0", other)


def test_a_job_s_name_is_what_is_to_be_done(store: Store) -> None:
    problems = build_run(store, [make_problems(2)], PROBLEMS, provenance=Provenance("math", "MATH")).manifest
    name = name_job(problems, "a/b", {})
    assert name == name_job(problems, "a/b", {})
    assert len({name, name_job(problems, "a/c", {}), name_job(problems, "a/b", {"sink": "keep"})}) == 3
