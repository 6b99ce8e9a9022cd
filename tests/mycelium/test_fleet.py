"""What workers and coordinator leave for each other in the store: read back as written, and one run to a job."""

from dataclasses import replace

import pytest

from mycelium.datasets import PROBLEMS
from mycelium.errors import ChunkDamagedError, ObjectNotFoundError, UserInputError
from mycelium.fleet import (
    WRITTEN,
    Claim,
    Job,
    WorkerStatus,
    chunks_between,
    claim_run,
    first_problems,
    job_key,
    list_records,
    name_job,
    outcome_key,
    put_record,
    read_job,
    read_record,
    region_of,
    written_chunks,
)
from mycelium.schema import Provenance
from mycelium.shard import Shard
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


def test_a_chunk_belongs_to_the_range_in_which_it_begins(store: Store) -> None:
    table = make_problems(7)
    tables = [table.slice(0, 3), table.slice(3, 3), table.slice(6, 1)]
    problems = build_run(store, tables, PROBLEMS, provenance=Provenance("math", "MATH")).manifest
    assert first_problems(problems) == {"00000": (0, 3), "00001": (3, 3), "00002": (6, 1)}
    assert chunks_between(problems, 0, 3) == ["00000", "00001"]
    assert chunks_between(problems, 4, 6) == ["00002"]
    assert chunks_between(problems, 1, 2) == []
    for cut in range(7):  # wherever it is cut, each chunk is somewhere once
        both = chunks_between(problems, 0, cut) + chunks_between(problems, cut + 1, 7842)
        assert both == ["00000", "00001", "00002"]


def test_a_job_s_name_is_what_is_to_be_done(store: Store) -> None:
    problems = build_run(store, [make_problems(2)], PROBLEMS, provenance=Provenance("math", "MATH")).manifest
    name = name_job(problems, "a/b", {})
    assert name == name_job(problems, "a/b", {})
    assert len({name, name_job(problems, "a/c", {}), name_job(problems, "a/b", {"sink": "keep"})}) == 3


def test_a_chunk_is_written_when_every_dataset_has_it(store: Store) -> None:
    for key in ("tokens/r/00000.parquet", "iaf/r/00000.parquet", "iaf/r/00001.parquet", "iaf/r/notes.txt"):
        store.put(key, b"x", mode="create")
    assert written_chunks(store, "r", ("tokens", "iaf")) == {"00000"}


def test_machines_write_signals_and_no_problems() -> None:
    assert {"tokens", "iaf"} <= WRITTEN.keys()
    assert "problems" not in WRITTEN


@pytest.mark.parametrize("url", ["", "queue", "s3://bucket/a/b", "https://sqs.us-east-1.amazonaws.com/1"])
def test_what_is_no_queue_s_url_is_said(url: str) -> None:
    with pytest.raises(UserInputError, match="--queue is a URL such as https://sqs"):
        region_of(url, None)


def test_the_region_is_the_url_s() -> None:
    assert region_of("https://sqs.eu-west-3.amazonaws.com/123456789012/q", None) == "eu-west-3"
    assert region_of("http://127.0.0.1:4566/123456789012/q", None) is None
    with pytest.raises(UserInputError, match="set AWS_REGION=eu-west-3"):
        region_of("https://sqs.eu-west-3.amazonaws.com/123456789012/q", "us-east-1")
