"""The wire: what is sent comes back, what does not fit goes to the store."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ChunkDamagedError
from mycelium.manifest import ObjectRef, Outcome
from mycelium.schema import Provenance
from mycelium.store import MemoryStore
from mycelium.task import Task, TaskResult
from mycelium.wire import (
    MAX_EVENT_BYTES,
    MAX_INLINE_PART,
    Answer,
    TaskCall,
    answer_part,
    answer_task,
    decode_answer,
    is_part_key,
    part_key,
)
from tests.mycelium.test_reduce import make_part

OF = Provenance("gsm8k", "GSM8K", "teacher@0123456789ab")
TASK = Task(
    chunk_id="00007",
    run_id="gsm8k-0123456789ab",
    stage="heartbeat",
    params={"threshold": 0.5, "layer": None},
    inputs=(ObjectRef("iaf", "iaf/gsm8k-aaaaaaaaaaaa/00007.parquet", 12, "ab" * 32),),
    reads_of=OF,
    writes_of=OF,
)
CALL = TaskCall(TASK, "s3://bucket", "s3://bucket/prefix")


def test_a_call_survives_the_wire_as_plain_json() -> None:
    event = json.loads(msgspec.json.encode(CALL))
    assert event["source_uri"] == "s3://bucket"
    assert msgspec.convert(event, TaskCall) == CALL


def test_an_event_of_before_there_were_trace_ids_is_read() -> None:
    event = json.loads(msgspec.json.encode(CALL))
    del event["trace_id"]
    assert msgspec.convert(event, TaskCall) == CALL


@given(part=st.none() | st.binary(max_size=200))
def test_an_answer_survives_the_wire_with_its_part_as_base64(part: bytes | None) -> None:
    answer = Answer(Outcome("00007", "done"), part)
    data = json.dumps(msgspec.to_builtins(answer)).encode()  # as the runtime encodes what a handler returns
    assert decode_answer(data) == answer
    assert json.loads(data)["part"] == (None if part is None else base64.b64encode(part).decode())


def test_a_key_is_told_from_a_part() -> None:
    assert is_part_key(part_key("gsm8k-0123456789ab", "00007"))
    assert not is_part_key(base64.b64encode(make_part(1)).decode())


def test_only_a_part_that_would_not_fit_goes_to_the_store() -> None:
    store = MemoryStore()
    assert answer_part(b"x" * 10, "parts/a", store, max_inline=10) == Answer(part=b"x" * 10)
    assert answer_part(None, "parts/a", store) == Answer()
    assert list(store.list()) == []
    assert answer_part(b"x" * 11, "parts/a", store, max_inline=10) == Answer(part_key="parts/a")
    assert store.get("parts/a") == b"x" * 11


def test_a_failure_is_left_for_a_caller_that_does_not_wait() -> None:
    store = MemoryStore()
    failed = TaskResult(Outcome("00007", "failed", error="no", error_kind="BadSignalError"))
    assert answer_task(TaskCall(TASK, "a", "b", "work/x.json"), failed, store) == Answer(failed.outcome)
    assert msgspec.json.decode(store.get("work/x.json"), type=Outcome) == failed.outcome
    assert answer_task(CALL, failed, MemoryStore()) == Answer(failed.outcome)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"outcome": 3}', b'"Internal error"'])
def test_what_is_no_answer_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ChunkDamagedError, match="answer can't be read"):
        decode_answer(data)


def test_the_largest_inline_part_fits_into_an_answer() -> None:
    answer = Answer(Outcome("00007", "done"), bytes(MAX_INLINE_PART))
    assert len(msgspec.json.encode(answer)) < MAX_EVENT_BYTES
