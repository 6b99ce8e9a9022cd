"""The handlers: JSON in, JSON out, two requests for each task, and nothing imported that the stage does not need."""

import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from lambdas import handler
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium import wire
from mycelium.errors import StoreNotAvailableError
from mycelium.logs import TaskLine
from mycelium.manifest import Outcome
from mycelium.plan import Plan, plan_run
from mycelium.store import LocalStore, S3Store, Store
from mycelium.task import decode_part, encode_part, run_task
from mycelium.wire import Answer, ReduceCall, TaskCall, part_key
from tests.builders import build_run, make_iaf
from tests.mycelium.test_reduce import make_part


@pytest.fixture(autouse=True)
def _fresh_environment() -> Iterator[None]:
    """Each test is an environment of its own."""
    handler._open.cache_clear()
    yield
    handler._open.cache_clear()


@pytest.fixture
def local(tmp_path: Path) -> Store:
    """A folder."""
    return LocalStore(tmp_path / "store")


def plan(store: Store) -> Plan:
    """Plan two chunks."""
    return plan_run(store, store, STAGE, HeartbeatParams(), [build_run(store, [make_iaf(), make_iaf(seed=1)]).manifest])


def event(call: TaskCall | ReduceCall) -> dict[str, Any]:
    """Return a call as Lambda hands it over."""
    built: dict[str, Any] = json.loads(msgspec.json.encode(call))
    return built


def read_answer(answer: object) -> Answer:
    """Return an answer as the coordinator reads it."""
    return wire.decode_answer(json.dumps(answer).encode())


def test_a_task_is_run_and_answered(local: Store, tmp_path: Path) -> None:
    task = plan(local).tasks[0]
    answer = read_answer(handler.handle_task(event(TaskCall(task, local.uri, local.uri)), None))
    other = LocalStore(tmp_path / "other")
    expected = run_task(task, STAGE, HeartbeatParams(), local, other)
    assert answer.part == expected.part
    assert answer.outcome is not None
    assert answer.outcome.outputs == expected.outcome.outputs
    key = expected.outcome.outputs[0].key
    assert local.get(key) == other.get(key)


def test_a_failed_task_is_answered_with_its_error(local: Store) -> None:
    task = plan(local).tasks[0]
    local.delete(task.inputs[0].key)
    answer = read_answer(handler.handle_task(event(TaskCall(task, local.uri, local.uri)), None))
    assert answer.part is None
    assert answer.outcome is not None
    assert answer.outcome.error_kind == "ChunkDamagedError"


def test_a_part_too_large_to_travel_goes_to_the_store(local: Store) -> None:
    task = plan(local).tasks[0]
    for _ in range(2):  # a retry writes it again
        answer = read_answer(handler.handle_task(event(TaskCall(task, local.uri, local.uri, max_inline=100)), None))
        assert answer.part is None
        assert answer.part_key == f"parts/{task.run_id}/00000.arrow"
    assert decode_part(local.get(str(answer.part_key))).num_rows


def test_nobody_who_waits_gets_no_part_and_finds_the_failure_in_the_store(local: Store) -> None:
    good, bad = plan(local).tasks
    local.delete(bad.inputs[0].key)
    answers = [
        read_answer(handler.handle_task(event(TaskCall(t, local.uri, local.uri, f"work/{t.chunk_id}.json")), None))
        for t in (good, bad)
    ]
    assert [a.part for a in answers] == [None, None]
    assert [i.key for i in local.list("work/")] == ["work/00001.json"]
    assert msgspec.json.decode(local.get("work/00001.json"), type=Outcome).error_kind == "ChunkDamagedError"
    assert list(local.list("parts/")) == []


def test_a_store_that_can_t_be_used_is_raised_to_the_platform(local: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    call = TaskCall(plan(local).tasks[0], local.uri, str(tmp_path / "file" / "below"))
    with pytest.raises(StoreNotAvailableError):
        handler.handle_task(event(call), None)


def test_each_task_logs_one_line_that_names_its_run_chunk_and_trace(
    local: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = plan(local).tasks
    local.delete(bad.inputs[0].key)
    for task in (good, bad):
        handler.handle_task(event(TaskCall(task, local.uri, local.uri, trace_id="1-5759e988-" + "ab" * 12)), None)
    lines = [msgspec.json.decode(line, type=TaskLine) for line in capsys.readouterr().out.splitlines()]
    assert [(line.chunk_id, line.status, line.error_kind) for line in lines] == [
        ("00000", "done", None),
        ("00001", "failed", "ChunkDamagedError"),
    ]
    assert {(line.run_id, line.stage, line.trace_id) for line in lines} == {
        (good.run_id, "heartbeat", "1-5759e988-" + "ab" * 12)
    }


def test_what_a_task_writes_and_answers_does_not_depend_on_the_trace(local: Store, tmp_path: Path) -> None:
    task = plan(local).tasks[0]
    stores = [LocalStore(tmp_path / name) for name in ("one", "other")]
    answers = [
        read_answer(handler.handle_task(event(TaskCall(task, local.uri, store.uri, trace_id=trace_id)), None))
        for store, trace_id in zip(stores, ["", "1-5759e988-" + "ab" * 12], strict=True)
    ]
    written = [{info.key: store.get(info.key) for info in store.list()} for store in stores]
    assert written[0] == written[1]
    assert answers[0].part == answers[1].part


def test_a_reduce_takes_inline_and_stored_parts(local: Store) -> None:
    parts = [make_part(seed) for seed in range(40)]
    named = [base64.b64encode(part).decode() for part in parts[:20]]
    for i, part in enumerate(parts[20:]):
        named.append(part_key("run", str(i)))
        local.put(named[-1], part)
    call = ReduceCall("heartbeat", tuple(named), local.uri, "parts/run/out.arrow")
    expected = encode_part(STAGE.reduce([decode_part(part) for part in parts]))
    assert read_answer(handler.handle_reduce(event(call), None)) == Answer(part=expected)


def test_a_large_result_of_a_reduce_goes_to_the_store(local: Store) -> None:
    large = make_part(1, n_heads=32_000)
    assert len(large) > wire.MAX_INLINE_PART
    call = ReduceCall("heartbeat", (base64.b64encode(large).decode(),), local.uri, "parts/run/out.arrow")
    assert read_answer(handler.handle_reduce(event(call), None)) == Answer(part_key="parts/run/out.arrow")
    assert decode_part(local.get("parts/run/out.arrow")).num_rows


def test_a_task_makes_one_get_and_one_put(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store(bucket)
    tasks = plan(store).tasks
    asked: Counter[str] = Counter()
    client = boto3.client("s3")
    client.meta.events.register("before-send.s3", lambda request, **_: asked.update([request.method]))
    monkeypatch.setattr("mycelium.store.s3._make_s3_client", lambda: client)
    for task in tasks:
        handler.handle_task(event(TaskCall(task, store.uri, store.uri)), None)
    assert asked == {"GET": 2, "PUT": 2}


def test_the_handler_imports_no_client_no_torch_and_no_stage_before_it_is_asked() -> None:
    heavy = ("boto3", "botocore", "torch", "sympy", "scipy", "pandas", "coordinator", "lambdas.stages.heartbeat")
    code = f"import sys, lambdas.handler; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_a_handler_is_at_most_twenty_five_lines() -> None:
    import inspect  # noqa: PLC0415 - beside its use

    for function in (handler.handle_task, handler.handle_reduce):
        assert len(inspect.getsource(function).splitlines()) <= 25
