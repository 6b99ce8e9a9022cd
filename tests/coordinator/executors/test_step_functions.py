"""Step Functions: the store is asked what became of a run, and whoever comes back finds it."""

from collections import Counter

import msgspec
import pytest

from coordinator.deployment import Deployment
from coordinator.executors.step_functions import read_record, work_key
from mycelium.errors import ChunkDamagedError, DeploymentError, StoreNotAvailableError
from mycelium.events import Observer
from mycelium.run import run_plan
from mycelium.store import S3Store
from mycelium.wire import TaskCall
from tests.coordinator.executors.conftest import make_states
from tests.coordinator.executors.contract import N_CHUNKS, Bench
from tests.coordinator.executors.stub import MACHINE, StubCloud
from tests.coordinator.executors.test_aws_lambda import check_complete, fail_always, wait_until


@pytest.fixture
def bench(deployment: Deployment) -> Bench:
    """The executor over the stub."""
    return Bench(S3Store(deployment.bucket, "pre/fix"), lambda: (make_states(deployment), None), "")


def test_the_item_list_is_an_array_of_events_below_work(bench: Bench, cloud: StubCloud) -> None:
    plan = bench.plan()
    bench.run(plan)
    calls = msgspec.json.decode(bench.store.get(f"work/{plan.run_id}/items.json"), type=list[TaskCall])
    assert tuple(call.task for call in calls) == plan.tasks
    assert {(call.source_uri, call.target_uri) for call in calls} == {(bench.store.uri, bench.store.uri)}
    (arn,) = cloud.executions
    assert arn.rpartition(":")[2].startswith(plan.run_id)


@pytest.mark.parametrize("fault", ["crash", "timeout", "memory", "too large", "raise", "throttle"])
def test_a_map_that_says_all_is_well_is_not_believed(bench: Bench, cloud: StubCloud, fault: str) -> None:
    cloud.script = fail_always("00004", fault)
    plan = bench.plan()
    manifest = bench.run(plan)
    (failed,) = manifest.failed
    assert (failed.chunk_id, failed.error_kind) == ("00004", "NoOutput")
    (arn,) = cloud.executions
    assert arn.rpartition(":")[2] in str(failed.error)
    assert len(bench.outputs(plan)) == N_CHUNKS - 1
    cloud.script = lambda _chunk_id, _attempt: None
    before = len(cloud.invoked)
    check_complete(bench, plan, bench.run(bench.plan()))
    assert cloud.invoked[before:] == ["00004"]


def test_the_stage_s_own_error_is_left_in_the_store_and_reported(bench: Bench) -> None:
    plan = bench.plan()
    bench.store.put(plan.tasks[1].inputs[0].key, b"damaged", mode="overwrite")
    (failed,) = bench.run(plan).failed
    assert (failed.chunk_id, failed.error_kind) == ("00001", "ChunkDamagedError")


def test_the_same_missing_chunks_are_tried_again_under_a_new_name(bench: Bench, cloud: StubCloud) -> None:
    cloud.script = fail_always("00004", "crash")
    bench.run(bench.plan())
    bench.run(bench.plan())
    bench.run(bench.plan())
    names = sorted(arn.rpartition(":")[2] for arn in cloud.executions)
    assert len(names) == 3
    assert names[-1][:-2] == names[-2][:-2]  # chunk 00004 alone, the first and the second time
    assert Counter(cloud.invoked)["00004"] == 3
    assert len(cloud.invoked) == N_CHUNKS + 2


def test_a_second_coordinator_follows_the_execution_of_the_first(
    bench: Bench, cloud: StubCloud, deployment: Deployment
) -> None:
    cloud.hold.clear()
    plan = bench.plan()
    first = make_states(deployment).run(plan.tasks, bench.store.uri, bench.store.uri)
    import threading  # noqa: PLC0415 - beside its use

    results: list[object] = []
    thread = threading.Thread(target=lambda: results.extend(first))
    thread.start()
    wait_until(lambda: bool(cloud.executions))
    cloud.hold.set()
    manifest = bench.run(plan)
    thread.join(30)
    assert len(results) == N_CHUNKS
    check_complete(bench, plan, manifest)
    assert len(cloud.executions) == 1
    assert len(cloud.invoked) == N_CHUNKS


def test_a_damaged_record_says_what_to_do(bench: Bench) -> None:
    bench.store.put(work_key("gsm8k-aaaaaaaaaaaa", "run.json"), b"{")
    with pytest.raises(ChunkDamagedError, match="delete it and run again"):
        read_record(bench.store, "gsm8k-aaaaaaaaaaaa")


def test_a_state_machine_that_is_gone_says_so(bench: Bench, deployment: Deployment) -> None:
    from dataclasses import replace  # noqa: PLC0415 - beside its use

    gone = replace(deployment, state_machine=f"{MACHINE}-gone")
    plan = bench.plan(1)
    with pytest.raises(DeploymentError, match="is gone: run `cdk deploy`"):
        list(make_states(gone).run(plan.tasks, bench.store.uri, bench.store.uri))


def test_functions_that_may_not_write_leave_failures_and_no_output(bench: Bench, cloud: StubCloud) -> None:
    cloud.script = lambda _chunk_id, _attempt: "store away"
    plan = bench.plan(3)
    assert len(bench.run(plan).failed) == 3
    assert bench.outputs(plan) == {}


def test_a_store_that_can_t_be_written_ends_the_run_before_anything_starts(
    bench: Bench, cloud: StubCloud, deployment: Deployment
) -> None:
    plan = bench.plan(1)
    with pytest.raises(StoreNotAvailableError):
        list(make_states(deployment).run(plan.tasks, bench.store.uri, "s3://mycelium-no-such-bucket"))
    assert cloud.executions == {}


def test_outputs_by_the_thousand_are_left_to_the_functions_to_read(
    bench: Bench, cloud: StubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.executors.step_functions.ADOPT_HERE", 3)
    monkeypatch.setattr("coordinator.executors.aws_lambda.ADOPT_HERE", 3)
    plan = bench.plan()
    bench.run(plan)
    bench.store.delete(f"manifests/heartbeats/{plan.run_id}.json")
    before = len(cloud.invoked)
    check_complete(bench, plan, bench.run(bench.plan()))
    assert len(cloud.invoked) == before + N_CHUNKS


def test_the_trace_goes_with_the_items_and_the_record_and_not_into_the_execution_s_input(
    bench: Bench, cloud: StubCloud, deployment: Deployment
) -> None:
    plan, trace_id = bench.plan(), "1-5759e988-bd862e3fe1be46a994272793"
    executor = make_states(deployment, trace_id=trace_id)
    manifest = run_plan(bench.store, plan, executor, quiet=True, observer=Observer(trace_id))
    calls = msgspec.json.decode(bench.store.get(work_key(plan.run_id, "items.json")), type=list[TaskCall])
    record = read_record(bench.store, plan.run_id)
    assert record is not None
    assert {call.trace_id for call in calls} == {record.trace_id} == {manifest.trace_id} == {trace_id}
    # Another command that starts the same chunks must find this execution, and start none beside it.
    assert all(trace_id not in given for given in cloud.inputs)
    assert len(cloud.inputs) == 1
