"""One job on one machine: through a spool as without one, and the record is of the bytes that the store holds."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gpu_workers.spool import Spool, SpoolStore
from gpu_workers.teacher import Teacher, load_teacher
from gpu_workers.work import shard_reader
from gpu_workers.work.shard_reader import ShardEnd, ShardReader, choose_params
from mycelium.errors import ConflictError, UserInputError
from mycelium.fleet.chunks import written_chunks
from mycelium.fleet.records import Job, ShardCall, outcome_key, read_record
from mycelium.manifest import Manifest, Outcome, digest
from mycelium.store import S3Store
from tests.gpu_workers.work.conftest import build_job, build_problems


@pytest.fixture
def teacher(model: str) -> Teacher:
    return load_teacher(model, device="cpu")


@pytest.fixture
def problems(s3: S3Store) -> Manifest:
    return build_problems(s3, 4)


def read_all(reader: ShardReader, call: ShardCall, over_after: int = 99) -> tuple[ShardEnd, list[Outcome]]:
    done: list[Outcome] = []
    return reader.read(call, 1, lambda: len(done) >= over_after, lambda *_: None, done.append), done


def test_a_record_is_of_the_bytes_that_the_store_holds(
    s3: S3Store, problems: Manifest, model: str, teacher: Teacher
) -> None:
    job, (call,) = build_job(s3, problems, model, 1)
    reader = ShardReader(s3, job, teacher)
    end, done = read_all(reader, call)
    assert (end.is_complete, end.errors, len(done)) == (True, {}, 4)
    for outcome in done:
        assert read_record(s3, outcome_key(reader.claim.run_id, outcome.chunk_id), Outcome) == outcome
        assert [digest(s3.get(ref.key)) for ref in outcome.outputs] == [ref.sha256 for ref in outcome.outputs]


def test_a_chunk_of_which_one_dataset_is_missing_is_read_again(
    s3: S3Store, problems: Manifest, model: str, teacher: Teacher
) -> None:
    job, (call,) = build_job(s3, problems, model, 1)
    reader = ShardReader(s3, job, teacher)
    read_all(reader, call)
    s3.delete(f"tokens/{reader.claim.run_id}/00002.parquet")
    end, done = read_all(reader, call)
    assert (end.is_complete, [outcome.chunk_id for outcome in done]) == (True, ["00002"])


def test_nothing_is_complete_before_the_spool_is_empty(
    s3: S3Store, problems: Manifest, model: str, teacher: Teacher, tmp_path: Path
) -> None:
    job, (call,) = build_job(s3, problems, model, 1)
    spooled = SpoolStore(s3, Spool(tmp_path / "spool"))
    asked = threading.Event()

    def confirm(keys: Sequence[str], timeout_s: float) -> frozenset[str]:
        if timeout_s:
            asked.set()
        return spooled.wait_confirmed(keys, timeout_s)

    def carry() -> None:
        """Do what the uploader does, once the reader waits for it."""
        asked.wait(60)
        spool = spooled.spool
        assert list(s3.list("iaf/")) == []
        for chunk in spool.waiting():
            s3.put(chunk.key, spool.path(chunk).read_bytes())
            spool.remove(chunk)

    carrier = threading.Thread(target=carry)
    carrier.start()
    reader = ShardReader(s3, job, teacher, target=spooled, confirm=confirm)
    end, done = read_all(reader, call)
    carrier.join()
    assert (end.is_complete, len(done), len(list(s3.list(f"outcomes/{reader.claim.run_id}/")))) == (True, 4, 4)


def test_what_a_killed_worker_left_in_the_spool_is_not_read_again(
    s3: S3Store, problems: Manifest, model: str, teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_reader, "MAX_IN_HAND", 1)
    monkeypatch.setattr(shard_reader, "DRAIN_S", 0.0)  # nobody carries anything on
    job, (call,) = build_job(s3, problems, model, 1)
    spool = Spool(tmp_path / "spool")
    reader = ShardReader(s3, job, teacher, target=SpoolStore(s3, spool), confirm=lambda keys, _: frozenset(keys))
    end, _ = read_all(reader, call, over_after=2)
    assert not end.is_complete
    assert len(spool.waiting()) == 4  # two chunks of two datasets
    again = ShardReader(s3, job, teacher, target=SpoolStore(s3, spool), confirm=lambda keys, _: frozenset(keys))
    _, done = read_all(again, call, over_after=4)
    assert [outcome.status for outcome in done] == ["found", "found", "done", "done"]


def test_a_stop_lets_the_chunks_in_hand_be_finished_and_begins_no_other(
    s3: S3Store, model: str, teacher: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_reader, "MAX_IN_HAND", 3)
    job, (call,) = build_job(s3, build_problems(s3, 12), model, 1)
    reader = ShardReader(s3, job, teacher)
    end, done = read_all(reader, call, over_after=2)  # one by itself, then three together
    assert (end.is_complete, end.errors, len(done)) == (False, {}, 4)
    assert len(written_chunks(s3, reader.claim.run_id, reader.claim.datasets)) == 4


def test_another_worker_s_chunk_that_came_first_is_the_one_recorded(
    s3: S3Store, problems: Manifest, model: str, teacher: Teacher, tmp_path: Path
) -> None:
    job, (call,) = build_job(s3, problems, model, 1)
    theirs = ShardReader(s3, job, teacher)
    spooled = SpoolStore(s3, Spool(tmp_path / "spool"))

    def confirm(keys: Sequence[str], timeout_s: float) -> frozenset[str]:
        read_all(theirs, call)
        raise ConflictError(f"the store holds another object {keys[0]}")

    reader = ShardReader(s3, job, teacher, target=spooled, confirm=confirm)
    end, done = read_all(reader, call)
    assert (end.is_complete, end.errors, done[0].status) == (True, {}, "done")
    for outcome in done:
        record = read_record(s3, outcome_key(reader.claim.run_id, outcome.chunk_id), Outcome)
        assert record.status == "found"
        assert [digest(s3.get(ref.key)) for ref in record.outputs] == [ref.sha256 for ref in record.outputs]


def test_a_lost_input_is_that_chunk_s_failure(s3: S3Store, problems: Manifest, model: str, teacher: Teacher) -> None:
    job, (call,) = build_job(s3, problems, model, 1)
    s3.delete(problems.chunks("problems")["00003"].key)
    end, done = read_all(ShardReader(s3, job, teacher), call)
    assert (end.is_complete, list(end.errors), len(done)) == (False, ["00003"], 3)
    assert "is gone" in end.errors["00003"]


@pytest.mark.parametrize(
    ("params", "said"),
    [({"warmth": 1}, "has no parameter warmth; it has sink, dtype"), ({"sink": 3}, "can't be used: Expected `str`")],
)
def test_parameters_that_the_stage_has_not_are_refused(params: dict[str, int], said: str, teacher: Teacher) -> None:
    with pytest.raises(UserInputError, match=said):
        choose_params(dict(params), teacher)


def test_the_rest_is_as_extract_would_choose(teacher: Teacher) -> None:
    assert choose_params({}, teacher).dtype == "float32"
    assert choose_params({"dtype": "bfloat16", "sink": "exclude"}, teacher).sink == "exclude"


def test_a_job_of_problems_that_are_not_there_is_said(s3: S3Store, teacher: Teacher) -> None:
    with pytest.raises(UserInputError, match="no run 'none'"):
        ShardReader(s3, Job("none-0", "none", "m", {}, (), "tokens", 1, 0.0), teacher)
