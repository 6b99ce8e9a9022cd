"""The hinge: one chunk, whatever happens to it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.stages.heartbeat import HEARTBEATS, STAGE, HeartbeatParams
from mycelium.datasets import IAF
from mycelium.errors import StoreNotAvailableError
from mycelium.manifest import digest, strip_times
from mycelium.schema import Provenance, chunk_key, decode_chunk, encode_chunk
from mycelium.stage import Stage
from mycelium.store import MemoryStore
from mycelium.task import Task, TaskResult, decode_part, describe_error, encode_part, run_task
from tests.builders import GSM8K, build_run, make_header, make_iaf

OUTPUT = chunk_key(HEARTBEATS, "gsm8k-bbbbbbbbbbbb", "00000")


def make_task(store: MemoryStore, **changes: object) -> Task:
    run = build_run(store, [make_iaf()])
    ref = run.manifest.chunks("iaf")["00000"]
    task = Task("00000", "gsm8k-bbbbbbbbbbbb", "heartbeat", {}, (ref,), GSM8K, GSM8K)
    return replace(task, **changes)  # type: ignore[arg-type]


def run(task: Task, store: MemoryStore, params: HeartbeatParams | None = None) -> TaskResult:
    return run_task(task, STAGE, params or HeartbeatParams(), store, store)


def test_a_task_reads_maps_and_writes_once() -> None:
    store = MemoryStore()
    result = run(make_task(store), store)
    assert result.outcome.status == "done"
    assert result.outcome.n_problems == 3
    assert result.outcome.bytes_read == len(store.get("iaf/gsm8k-aaaaaaaaaaaa/00000.parquet"))
    (ref,) = result.outcome.outputs
    assert (ref.key, ref.sha256) == (OUTPUT, digest(store.get(OUTPUT)))
    table, header = decode_chunk(store.get(OUTPUT), HEARTBEATS)
    assert header.stage == "heartbeat v1"
    assert list(header.inputs) == ["iaf/gsm8k-aaaaaaaaaaaa/00000.parquet"]
    assert result.part is not None
    assert decode_part(result.part).equals(STAGE.summarize([table]))


def test_a_second_run_of_a_task_finds_the_first_and_leaves_the_same_part() -> None:
    store = MemoryStore()
    task = make_task(store)
    first, before = run(task, store), store.get(OUTPUT)
    again, adopted = run(task, store), run(replace(task, found=True), store)
    assert (again.outcome.status, adopted.outcome.status) == ("found", "found")
    assert first.part == again.part == adopted.part
    assert store.get(OUTPUT) == before
    assert again.outcome.outputs == adopted.outcome.outputs == first.outcome.outputs


def _truncate(store: MemoryStore, key: str) -> None:
    store.put(key, store.get(key)[:-50], mode="overwrite")


def _empty(store: MemoryStore, key: str) -> None:
    store.put(key, b"", mode="overwrite")


def _flip(store: MemoryStore, key: str) -> None:
    data = bytearray(store.get(key))
    data[100] ^= 1
    store.put(key, bytes(data), mode="overwrite")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_truncate, "truncated, or written anew"),
        (_empty, "it is empty"),
        (_flip, "another SHA-256 than the manifest says"),
        (MemoryStore.delete, "is gone, though its run's manifest names it"),
    ],
)
def test_a_harmed_chunk_is_named_and_leaves_nothing(harm: Callable[[MemoryStore, str], None], words: str) -> None:
    store = MemoryStore()
    task = make_task(store)
    harm(store, task.inputs[0].key)
    result = run(task, store)
    assert result.outcome.status == "failed"
    assert result.outcome.error_kind == "ChunkDamagedError"
    assert task.inputs[0].key in (result.outcome.error or "")
    assert words in (result.outcome.error or "")
    assert result.part is None
    assert OUTPUT not in [info.key for info in store.list()]


@given(place=st.integers(0, 10**6), value=st.integers(1, 255))
def test_any_changed_byte_is_noticed_before_arrow_sees_it(place: int, value: int) -> None:
    store = MemoryStore()
    task = make_task(store)
    data = bytearray(store.get(task.inputs[0].key))
    data[place % len(data)] ^= value
    store.put(task.inputs[0].key, bytes(data), mode="overwrite")
    assert "SHA-256" in (run(task, store).outcome.error or "")


def test_a_chunk_of_another_origin_is_refused_by_name() -> None:
    store = MemoryStore()
    task = make_task(store, reads_of=Provenance("gsm8k", "MATH", GSM8K.teacher))
    error = run(task, store).outcome.error or ""
    assert "origin 'MATH', and the chunk is of origin 'GSM8K'" in error
    assert error.startswith(f"{task.inputs[0].key}: "), "of several inputs it is said which"


def test_a_nan_is_named() -> None:
    store = MemoryStore()
    table = make_iaf(heads=1)
    bad = pa.array([float("nan"), *table["head_000"].to_pylist()[1:]], pa.float16())
    built = build_run(store, [table.set_column(4, "head_000", bad)])
    task = make_task(MemoryStore(), inputs=(built.manifest.chunks("iaf")["00000"],))
    outcome = run(task, store).outcome
    assert outcome.error_kind == "BadSignalError"
    assert "between 0 and 1; got nan" in (outcome.error or "")


def _raising(error: BaseException) -> Stage[HeartbeatParams]:
    def map_(tables: Sequence[pa.Table], params: HeartbeatParams) -> list[pa.Table]:
        raise error

    return replace(STAGE, map=map_)


@pytest.mark.parametrize("error", [ValueError("no such thing\nsecond line"), ZeroDivisionError(), MemoryError("big")])
def test_whatever_a_stage_raises_is_that_chunk_s_failure_in_one_line(error: Exception) -> None:
    store = MemoryStore()
    outcome = run_task(make_task(store), _raising(error), HeartbeatParams(), store, store).outcome
    assert outcome.status == "failed"
    assert outcome.error_kind == type(error).__name__
    assert outcome.error
    assert "\n" not in outcome.error


def test_a_store_that_can_not_be_used_ends_the_run() -> None:
    store = MemoryStore()
    with pytest.raises(StoreNotAvailableError):
        run_task(make_task(store), _raising(StoreNotAvailableError("full")), HeartbeatParams(), store, store)


def test_an_output_of_others_is_not_adopted() -> None:
    store = MemoryStore()
    task = make_task(store, found=True)
    store.put(OUTPUT, encode_chunk(IAF, make_iaf(), make_header()))
    outcome = run(task, store).outcome
    assert outcome.status == "failed"
    assert "delete it and run again" in (outcome.error or "")


def test_parts_survive_the_wire() -> None:
    table = pa.table({"x": pa.chunked_array([[1], [2, 3]]), "y": ["a", None, "c"]})
    assert decode_part(encode_part(table)).equals(table.combine_chunks())


def test_an_error_without_words_still_says_something() -> None:
    assert describe_error(ValueError()) == "ValueError()"
    assert len(describe_error(ValueError("x" * 9999))) == 500
    assert describe_error(ValueError("half a pair: \ud800")) == "half a pair: ?"  # or no manifest could be written
    assert describe_error(ValueError("half a pair: \ud800")) == "half a pair: ?"  # or no manifest could be written


def test_what_two_executors_agree_on_has_no_times() -> None:
    store = MemoryStore()
    outcome = run(make_task(store), store).outcome
    assert outcome.wall_s > 0
    assert (strip_times(outcome).wall_s, strip_times(outcome).started_s, strip_times(outcome).peak_mb) == (0, 0, 0)
