"""The Lambda executor under every fault that Lambda has."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import boto3
import msgspec
import pytest

from coordinator.deployment import Deployment
from coordinator.executors.aws_lambda import LambdaExecutor
from coordinator.executors.backup import BackupRule
from coordinator.executors.fan_out import Crew, ThreadCrew
from coordinator.executors.fly import Flyer
from coordinator.executors.invoke import Reply
from coordinator.executors.retry import RETRY_TABLE, Kind
from coordinator.runs.tell import tell_run
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.deployment import (
    bucket_parameter,
    function_parameter,
    reduce_parameter,
    state_machine_parameter,
    version_parameter,
)
from mycelium.errors import DeploymentError, InvocationError, StoreNotAvailableError
from mycelium.events import AnyEvent, ChunkRetried, Observer
from mycelium.failures import BREAKER, parse_policy
from mycelium.logs import TaskLine
from mycelium.manifest import Manifest
from mycelium.plan import Plan, plan_run
from mycelium.reduce import Group
from mycelium.run import Until, run_plan
from mycelium.store import S3Store
from mycelium.task import decode_part, encode_part
from mycelium.version import code_version
from mycelium.wire import MAX_EVENT_BYTES, part_key
from tests.builders import build_run, make_iaf
from tests.coordinator.executors.conftest import make_lambda
from tests.coordinator.executors.contract import N_CHUNKS, Bench, run_reference
from tests.coordinator.executors.stub import FUNCTION, MACHINE, REDUCE_FUNCTION, StubCloud
from tests.mycelium.test_reduce import make_part

T = TypeVar("T")
R = TypeVar("R")


@pytest.fixture
def bench(deployment: Deployment) -> Bench:
    """The executor over the stub."""
    return Bench(S3Store(deployment.bucket), lambda: (make_lambda(deployment), None), "")


def fail_always(chunk_id: str, fault: str) -> Callable[[str, int], str | None]:
    """Fail one chunk, however often it is invoked."""
    return lambda asked, _attempt: fault if asked == chunk_id else None


def check_complete(bench: Bench, plan: Plan, manifest: Manifest) -> None:
    """Hold a run to the reference's outputs and result."""
    expected, outputs = run_reference(bench)
    assert manifest.complete
    assert manifest.result == expected.result
    assert bench.outputs(plan) == outputs


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("crash", Kind.CRASH, "the function's process died"),
        ("killed", Kind.MEMORY, "out of memory (151 of 1769 MB used): raise the stage's memory_mb"),
        ("memory", Kind.MEMORY, "raise the stage's memory_mb"),
        ("timeout", Kind.TIMEOUT, "Task timed out after 3.00 seconds: raise the stage's timeout_s"),
        ("too large", Kind.TOO_LARGE, "its answer is larger than Lambda lets through"),
        ("raise", Kind.HANDLER, "the function failed: KeyError: 'boom'"),
        ("service", Kind.SERVICE, "ServiceException: Internal failure."),
        ("throttle", Kind.THROTTLED, "TooManyRequestsException"),
    ],
)
def test_a_chunk_that_always_fails_has_its_own_error_and_the_others_are_done(
    bench: Bench, cloud: StubCloud, fault: str, kind: Kind, said: str
) -> None:
    cloud.script = fail_always("00004", fault)
    plan = bench.plan()
    manifest = bench.run(plan)
    (failed,) = manifest.failed
    assert failed.chunk_id == "00004"
    assert said in str(failed.error)
    assert failed.error_kind in {kind.value, "KeyError"}
    assert failed.attempts == RETRY_TABLE[kind].tries == Counter(cloud.invoked)["00004"]
    assert Counter(cloud.ran).total() == len(bench.outputs(plan)) == N_CHUNKS - 1
    cloud.script = lambda _chunk_id, _attempt: None
    before = len(cloud.invoked)
    check_complete(bench, plan, bench.run(bench.plan()))
    assert cloud.invoked[before:] == ["00004"]


@pytest.mark.parametrize("fault", ["crash", "timeout", "service", "throttle", "store away"])
def test_what_can_heal_is_invoked_again(bench: Bench, cloud: StubCloud, fault: str) -> None:
    cloud.script = lambda chunk_id, attempt: fault if chunk_id == "00002" and attempt == 1 else None
    plan = bench.plan()
    manifest = bench.run(plan)
    check_complete(bench, plan, manifest)
    (again,) = [o for o in manifest.outcomes if o.attempts > 1]
    assert (again.chunk_id, again.attempts) == ("00002", 2)
    assert len(cloud.invoked) == N_CHUNKS + 1


def test_billed_time_memory_and_cold_starts_come_from_the_log_tail(bench: Bench, cloud: StubCloud) -> None:
    cloud.script = lambda chunk_id, attempt: "crash" if chunk_id == "00001" and attempt < 3 else None
    outcomes = bench.run(bench.plan()).outcomes
    assert (outcomes[0].billed_ms, outcomes[0].memory_mb, outcomes[0].cold, outcomes[0].init_ms) == (
        113,
        151,
        True,
        100.25,
    )
    assert outcomes[1].billed_ms == 3 * 113  # what failed is billed as well


def test_half_of_all_calls_throttled_loses_nothing(bench: Bench, cloud: StubCloud) -> None:
    draw = random.Random(7)
    cloud.script = lambda _chunk_id, _attempt: "throttle" if draw.random() < 0.5 else None
    plan = bench.plan(60)
    manifest = bench.run(plan)
    expected, outputs = run_reference(bench, 60)
    assert (manifest.complete, manifest.result, bench.outputs(plan)) == (True, expected.result, outputs)
    assert sorted(cloud.ran) == [task.chunk_id for task in plan.tasks]  # a throttled call never ran
    assert len(cloud.invoked) > 60


def test_a_function_that_hangs_is_overtaken_and_comes_too_late_to_do_harm(
    bench: Bench, cloud: StubCloud, deployment: Deployment
) -> None:
    cloud.script = lambda chunk_id, attempt: "hang" if (chunk_id, attempt) == ("00003", 1) else None
    # Whoever else seems slow on a busy machine has a backup, too; chunk 00003 has one for certain.
    rule = BackupRule(min_late_s=0.05, max_share=1.0)
    executor = LambdaExecutor(Flyer(deployment.endpoint, 100), FUNCTION, REDUCE_FUNCTION, 32, backups=rule)
    plan = bench.plan(20)
    manifest = run_plan(bench.store, plan, executor, quiet=True, watch=executor)
    hung = manifest.outcomes[3]
    assert (hung.status, hung.backups, hung.attempts) == ("done", 1, 2)
    assert hung.billed_ms > 113, "what was overtaken is counted as far as it had come"
    started = sum(outcome.backups for outcome in manifest.outcomes)
    assert manifest.notes["backups_started"] == started >= 1
    assert 1 <= int(str(manifest.notes["backups_won"])) <= started
    cloud.hang.set()
    wait_until(lambda: cloud.running == 0)
    expected, outputs = run_reference(bench, 20)
    assert (manifest.complete, manifest.result, bench.outputs(plan)) == (True, expected.result, outputs)


def test_where_nothing_took_long_the_manifest_says_nothing_of_backups(bench: Bench, deployment: Deployment) -> None:
    rule = BackupRule(min_late_s=1e6)
    executor = LambdaExecutor(Flyer(deployment.endpoint, 50), FUNCTION, REDUCE_FUNCTION, 32, backups=rule)
    assert run_plan(bench.store, bench.plan(20), executor, quiet=True, watch=executor).notes == {}
    assert executor.describe() == ""


def test_a_concurrency_that_the_account_has_not_is_found_and_kept(bench: Bench, cloud: StubCloud) -> None:
    cloud.limit, cloud.delay_s = 4, 0.03
    plan = bench.plan(60)
    manifest = bench.run(plan)
    assert manifest.complete
    assert cloud.most_running <= 4
    throttled = len(cloud.invoked) - len(cloud.ran)
    assert len(cloud.ran) == 60
    assert throttled < 180, "sixteen in flight where four may be: the limit must fall, and not be met at every step"


def test_an_error_of_the_stage_is_never_tried_again(bench: Bench, cloud: StubCloud) -> None:
    plan = bench.plan()
    bench.store.put(plan.tasks[1].inputs[0].key, b"damaged", mode="overwrite")
    (failed,) = bench.run(plan).failed
    assert (failed.chunk_id, failed.error_kind, failed.attempts) == ("00001", "ChunkDamagedError", 1)
    assert len(cloud.invoked) == N_CHUNKS


def test_a_run_whose_first_chunks_all_fail_alike_pays_for_those_in_flight_and_no_more(
    deployment: Deployment, cloud: StubCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    store, at_once = S3Store(deployment.bucket), 8
    source = build_run(store, [make_iaf((9,), layers=1, heads=1, seed=i) for i in range(3 * BREAKER)]).manifest
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    cloud.script = lambda _chunk_id, _attempt: "memory"
    executor = make_lambda(deployment, at_once)
    manifest = run_plan(store, plan, executor, quiet=True, until=Until(parse_policy(None)))
    assert manifest.notes["stopped"] == f"the first {BREAKER} chunks all failed by OutOfMemory"
    assert len(manifest.outcomes) == BREAKER
    assert len(cloud.invoked) <= BREAKER + at_once
    tell_run(manifest, as_json=False, store=store.uri)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(
        f"{BREAKER} failed by OutOfMemory; see one: `python -m coordinator run-task heartbeat 000"
    )
    # The same command, once what was wrong is put right, does all of it.
    cloud.script = lambda _chunk_id, _attempt: None
    again = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    assert run_plan(store, again, make_lambda(deployment), quiet=True).complete


@pytest.mark.parametrize("fault", ["refuse", "gone"])
def test_a_function_that_is_gone_or_forbidden_ends_the_run_in_one_line(
    bench: Bench, cloud: StubCloud, fault: str
) -> None:
    cloud.script = lambda _chunk_id, _attempt: fault
    with pytest.raises(DeploymentError, match="Lambda refuses") as caught:
        bench.run(bench.plan())
    assert "\n" not in str(caught.value)


def test_a_bucket_that_refuses_the_functions_writes_ends_the_run(bench: Bench, cloud: StubCloud) -> None:
    cloud.script = lambda _chunk_id, _attempt: "store away"
    with pytest.raises(StoreNotAvailableError, match="refuses these AWS credentials"):
        bench.run(bench.plan())
    assert Counter(cloud.invoked).most_common(1)[0][1] == RETRY_TABLE[Kind.STORE].tries


def test_an_event_that_lambda_would_refuse_is_never_sent(bench: Bench, cloud: StubCloud) -> None:
    plan = bench.plan(2)
    large = replace(plan.tasks[0], params={"threshold": "x" * MAX_EVENT_BYTES})
    results = list(bench.make()[0].run([large, plan.tasks[1]], bench.store.uri, bench.store.uri))
    by_id = {r.outcome.chunk_id: r.outcome for r in results}
    assert by_id["00000"].error_kind == "TooLarge"
    assert str(MAX_EVENT_BYTES) in str(by_id["00000"].error)
    assert by_id["00001"].status == "done"
    assert cloud.invoked == ["00001"]


def test_an_answer_that_is_none_fails_its_chunk(deployment: Deployment, bench: Bench) -> None:
    class Mute:
        def fly(self, function: str, encode: Callable[[T], bytes], land: Callable[[Reply], R]) -> Crew[T, R]:
            return ThreadCrew(lambda item: land(Reply(200, b"null" if b'"00000"' in encode(item) else b"{}")))

    executor = LambdaExecutor(Mute(), "f", "r", 4)
    results = list(executor.run(bench.plan(2).tasks, bench.store.uri, bench.store.uri))
    assert [r.outcome.status for r in results] == ["failed"] * 2
    assert {r.outcome.error_kind for r in results} == {"HandlerError"}


def test_a_put_that_meets_another_under_way_is_tried_again(bench: Bench) -> None:
    """The 409 that emulators never send: here a stand-in for the client sends it, once for each object."""
    client = boto3.client("s3")
    conflicts: Counter[str] = Counter()

    class Conflicting:
        exceptions = client.exceptions

        def put_object(self, **asked: Any) -> Any:
            conflicts[asked["Key"]] += 1
            if "IfNoneMatch" in asked and conflicts[asked["Key"]] == 1:
                answer = {"Error": {"Code": "ConditionalRequestConflict", "Message": "try again"}}
                raise client.exceptions.ClientError(answer, "PutObject")
            return client.put_object(**asked)

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

    from lambdas import handler  # noqa: PLC0415 - its cache of stores is the door

    opened = S3Store(bench.store.uri.removeprefix("s3://"), client=Conflicting())
    real = handler._open

    class Opener:
        def __call__(self, uri: str) -> S3Store:
            return opened

    handler._open = Opener()  # type: ignore[assignment]
    try:
        plan = bench.plan()
        check_complete(bench, plan, bench.run(plan))
    finally:
        handler._open = real
    assert set(conflicts.values()) == {2}


def test_a_killed_coordinator_started_again_invokes_only_what_is_missing(
    bench: Bench, cloud: StubCloud, deployment: Deployment
) -> None:
    publish(deployment)
    bench.plan(40)
    cloud.delay_s = 0.15
    words = ["run-stage", "heartbeat", "--executor", "lambda", "--no-backups", "--json"]
    command = [sys.executable, "-m", "coordinator", *words]
    first = subprocess.Popen(
        [*command, "--max-concurrency", "4"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )
    wait_until(lambda: len(cloud.ran) >= 12)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    wait_until(lambda: cloud.running == 0)
    plan = bench.plan(40)
    written, before = len(bench.outputs(plan)), len(cloud.invoked)
    assert 0 < written < 40
    second = subprocess.run(command, capture_output=True, timeout=60, env=os.environ, check=False)
    assert second.returncode == 0, second.stderr
    again = cloud.invoked[before:]
    assert len(again) == 40 - written
    assert set(again) == {task.chunk_id for task in plan.tasks if not task.found}
    told = json.loads(second.stdout)
    assert (told["complete"], told["chunks"], told["invocations"]) == (True, 40, 40 - written)
    expected, outputs = run_reference(bench, 40)
    assert bench.outputs(plan) == outputs
    assert told["result"] == expected.result


def publish(deployment: Deployment, version: str | None = None) -> None:
    """Publish the parameters that the stack would."""
    client = boto3.client("ssm")
    for name, value in {
        bucket_parameter("mycelium"): deployment.bucket,
        version_parameter("mycelium"): version or code_version(),
        function_parameter("mycelium", "heartbeat"): FUNCTION,
        reduce_parameter("mycelium"): REDUCE_FUNCTION,
        state_machine_parameter("mycelium"): MACHINE,
    }.items():
        client.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.01)


def test_stored_parts_are_reduced_by_the_reduce_function(deployment: Deployment, cloud: StubCloud) -> None:
    store = S3Store(deployment.bucket)
    groups = [
        Group(tuple(part_key("run", f"{n}-{i}") for i in range(3)), part_key("run", f"out-{n}")) for n in range(5)
    ]
    for seed, key in enumerate(key for group in groups for key in group.keys):
        store.put(key, make_part(seed))
    reduced = list(make_lambda(deployment).reduce_groups("heartbeat", groups, store.uri))
    tables = [decode_part(make_part(seed)) for seed in range(15)]
    whole = encode_part(STAGE.reduce([decode_part(part) for part in reduced if isinstance(part, bytes)]))
    assert whole == encode_part(STAGE.reduce(tables))
    assert cloud.reduces == 5


def test_a_reduce_that_fails_says_so(deployment: Deployment) -> None:
    group = Group(("parts/gone.arrow",), "parts/x")
    reducing = make_lambda(deployment).reduce_groups("heartbeat", [group], f"s3://{deployment.bucket}")
    with pytest.raises(InvocationError, match="reduce of 1 parts of heartbeat"):
        list(reducing)


def test_parts_of_a_long_run_stay_in_the_store_and_are_reduced_there(
    deployment: Deployment, bench: Bench, cloud: StubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.executors.aws_lambda.MANY_PARTS", 5)
    plan = bench.plan()
    executor = make_lambda(deployment)
    manifest = run_plan(bench.store, plan, executor, reducer=executor, quiet=True)
    check_complete(bench, plan, manifest)
    assert len(list(bench.store.list(f"parts/{plan.run_id}/"))) == N_CHUNKS
    assert cloud.reduces == 1


def test_a_run_tells_its_retries_and_its_functions_log_its_trace(
    bench: Bench, cloud: StubCloud, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[AnyEvent] = []
    observer = Observer("1-5759e988-bd862e3fe1be46a994272793", told.append)
    cloud.script = lambda chunk_id, attempt: {("00001", 1): "throttle", ("00001", 2): "crash"}.get((chunk_id, attempt))
    plan = bench.plan()
    manifest = run_plan(bench.store, plan, make_lambda(deployment, observer=observer), quiet=True, observer=observer)
    retries = [(e.chunk_id, e.attempt, e.error_kind) for e in told if isinstance(e, ChunkRetried)]
    assert retries == [("00001", 1, "Throttled"), ("00001", 2, "FunctionCrashed")]
    assert (observer.traffic.retries, observer.traffic.throttled, observer.traffic.in_flight) == (2, 1, None)
    lines = [msgspec.json.decode(line, type=TaskLine) for line in capsys.readouterr().out.splitlines()]
    assert sorted(line.chunk_id for line in lines) == [task.chunk_id for task in plan.tasks]
    assert {(line.trace_id, line.run_id) for line in lines} == {(observer.trace_id, plan.run_id)}
    assert manifest.trace_id == observer.trace_id
    check_complete(bench, plan, manifest)
