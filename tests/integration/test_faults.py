"""What can go wrong with functions, coordinators and chunks, on a LocalStack that really runs the handlers."""

from collections import Counter
from pathlib import Path

import pytest

from mycelium.manifest import Manifest, read_manifest
from tests.integration.cloud import Cloud, Told
from tests.integration.deployed import check_same, run_here
from tests.integration.faults import FaultyDeployment, count_outputs, make_run, wait_until
from tests.integration.refusal import serve_refusal

EXECUTORS = ["lambda", "step-functions"]
FAULTS = {"00001": "crash", "00003": "memory", "00004": "too large", "00005": "raise"}
BY_LAMBDA = {
    "00001": ("FunctionCrashed", "the function's process died"),
    "00003": ("OutOfMemory", "raise the stage's memory_mb"),
    "00004": ("TooLarge", "its answer is larger than Lambda lets through"),
    "00005": ("KeyError", "the function failed: KeyError: 'boom'"),
}
TRIED = {"00001": 3, "00003": 1, "00004": 1, "00005": 1}
"""Calls that each fault is worth; coordinator/executors/retry.py says why."""


def check_complete(faulty: FaultyDeployment, run: str, told: Told, folder: Path) -> Manifest:
    """Hold a run to what this machine makes of the same chunks."""
    assert told.code == 0, told.err
    expected, outputs = run_here(faulty.cloud, run, folder / "here")
    return check_same(faulty.cloud.store, expected.run_id, expected, outputs)


def plan(faulty: FaultyDeployment, run: str) -> str:
    """Return the run of heartbeats that a run of iaf will be."""
    told = faulty.run(run, "--dry-run")
    assert told.code == 0, told.err
    run_id: str = told.summary["run"]
    return run_id


def test_chunks_that_always_fail_have_their_own_errors_and_the_others_are_done(
    faulty: FaultyDeployment, tmp_path: Path
) -> None:
    faulty.configure(FAULTS, Timeout=60, MemorySize=512)
    run = make_run(faulty.cloud.store, 9)
    told = faulty.run(run)
    assert told.code == 1
    failed = {item["chunk"]: (item["kind"], item["error"]) for item in told.summary["failed"]}
    assert {chunk: kind for chunk, (kind, _) in failed.items()} == {c: kind for c, (kind, _) in BY_LAMBDA.items()}
    for chunk, (_, said) in BY_LAMBDA.items():
        assert said in failed[chunk][1]
    well = {f"{i:05d}": 1 for i in range(9)}
    assert faulty.count_calls(11) == well | TRIED
    assert count_outputs(faulty.cloud, told.summary["run"]) == 5

    faulty.configure(Timeout=60, MemorySize=1769)
    told = faulty.run(run)
    check_complete(faulty, run, told, tmp_path)
    assert told.summary["invocations"] == 4
    assert faulty.count_calls(15) == {chunk: n + (chunk in FAULTS) for chunk, n in (well | TRIED).items()}


def test_a_chunk_that_hangs_is_stopped_tried_once_more_and_named(faulty: FaultyDeployment) -> None:
    # Alone: on a busy machine three seconds may be too little for a chunk that does not hang.
    faulty.configure({"00000": "hang"}, Timeout=3)
    told = faulty.run(make_run(faulty.cloud.store, 1))
    assert told.code == 1
    (failed,) = told.summary["failed"]
    assert (failed["kind"], failed["chunk"]) == ("TimedOut", "00000")
    assert "Task timed out after 3.00 seconds: raise the stage's timeout_s" in failed["error"]
    assert faulty.count_calls(2) == {"00000": 2}


@pytest.mark.integration_long
def test_chunks_that_always_fail_under_the_state_machine_are_named_and_the_others_are_done(
    faulty: FaultyDeployment, tmp_path: Path
) -> None:
    faults = {**FAULTS, "00002": "hang"}
    faulty.configure(faults, Timeout=15, MemorySize=512)  # a busy machine may need some of that for the others
    run = make_run(faulty.cloud.store, 9)
    told = faulty.run(run, executor="step-functions")
    assert told.code == 1
    failed = {item["chunk"]: item["error"] for item in told.summary["failed"]}
    assert sorted(failed) == sorted(faults)
    assert all("see execution" in error for error in failed.values())
    assert count_outputs(faulty.cloud, told.summary["run"]) == 4

    faulty.configure(Timeout=60, MemorySize=1769)
    told = faulty.run(run, executor="step-functions")
    check_complete(faulty, run, told, tmp_path)
    calls = faulty.count_calls(14)
    assert {chunk for chunk, n in calls.items() if n > 1} == set(faults)


def test_throttled_calls_are_made_again_and_no_chunk_is_lost(faulty: FaultyDeployment, tmp_path: Path) -> None:
    faulty.configure(delay_s=0.2)
    faulty.cloud.client("lambda").put_function_concurrency(FunctionName=faulty.name, ReservedConcurrentExecutions=2)
    run = make_run(faulty.cloud.store, 24)
    told = faulty.run(run)
    manifest = check_complete(faulty, run, told, tmp_path)
    assert told.summary["retries"] > 0
    assert manifest.failed == ()
    assert set(faulty.count_calls(24).values()) == {1}, "a throttled call never runs"


@pytest.mark.integration_long
def test_a_throttled_state_machine_loses_no_chunk(faulty: FaultyDeployment, tmp_path: Path) -> None:
    faulty.configure(delay_s=0.2)
    faulty.cloud.client("lambda").put_function_concurrency(FunctionName=faulty.name, ReservedConcurrentExecutions=2)
    run = make_run(faulty.cloud.store, 12)
    told = faulty.run(run, executor="step-functions")
    check_complete(faulty, run, told, tmp_path)
    assert set(faulty.count_calls(12).values()) == {1}


def test_a_killed_coordinator_started_again_invokes_only_what_is_missing(
    faulty: FaultyDeployment, tmp_path: Path
) -> None:
    faulty.configure(delay_s=0.5)
    run = make_run(faulty.cloud.store, 24)
    run_id = plan(faulty, run)
    first = faulty.start(run, max_concurrency=2)
    wait_until(lambda: count_outputs(faulty.cloud, run_id) >= 6)
    first.kill()
    written = wait_for_quiet(faulty.cloud, run_id)
    assert 6 <= written < 24
    told = faulty.run(run)
    check_complete(faulty, run, told, tmp_path)
    assert told.summary["invocations"] == 24 - written
    assert faulty.count_calls(24) == {f"{i:05d}": 1 for i in range(24)}


@pytest.mark.integration_long
@pytest.mark.parametrize("again", ["attach", "run-stage"])
def test_a_state_machine_outlives_its_coordinator(again: str, faulty: FaultyDeployment, tmp_path: Path) -> None:
    faulty.configure(delay_s=1.0)
    run = make_run(faulty.cloud.store, 16)
    run_id = plan(faulty, run)
    first = faulty.start(run, executor="step-functions", max_concurrency=2)
    wait_until(lambda: count_outputs(faulty.cloud, run_id) >= 2)
    first.kill()
    look = faulty.cloud.run("status", run_id, "--json")
    assert (look.code, look.summary["state"], look.summary["n_items"]) == (0, "RUNNING", 16)
    if again == "attach":
        told = faulty.cloud.run("attach", run_id, "--deployment", faulty.name, "--json", "--quiet")
    else:
        told = faulty.run(run, executor="step-functions")
    check_complete(faulty, run, told, tmp_path)
    assert faulty.count_calls(16) == {f"{i:05d}": 1 for i in range(16)}


@pytest.mark.integration_long
@pytest.mark.parametrize("pair", [("lambda", "lambda"), ("step-functions",) * 2, ("lambda", "step-functions")])
def test_two_coordinators_at_once_do_no_harm(pair: tuple[str, str], faulty: FaultyDeployment, tmp_path: Path) -> None:
    faulty.configure(delay_s=0.3)
    run = make_run(faulty.cloud.store, 16)
    run_id = plan(faulty, run)
    both = [faulty.start(run, executor=executor, max_concurrency=4) for executor in pair]
    for told in [command.wait() for command in both]:
        check_complete(faulty, run, told, tmp_path)
    calls = faulty.count_calls(16)
    assert sorted(calls) == [f"{i:05d}" for i in range(16)]
    assert set(calls.values()) <= {1, 2}
    s3, prefix = faulty.cloud.client("s3"), f"heartbeats/{run_id}/"
    versions = s3.list_object_versions(Bucket=faulty.cloud.bucket, Prefix=prefix)
    keys = Counter(version["Key"] for version in versions["Versions"])
    assert sorted(keys.values()) == [1] * 16, "no output is ever written over"


@pytest.mark.integration_long
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_chunk_deleted_or_rewritten_while_the_run_is_on_is_named(
    executor: str, faulty: FaultyDeployment, tmp_path: Path
) -> None:
    faulty.configure(delay_s=0.5)
    store = faulty.cloud.store
    run = make_run(store, 12)
    run_id = plan(faulty, run)
    keys = {name: f"{run}/{name}.parquet" for name in ("00010", "00011")}
    data = {name: store.get(key) for name, key in keys.items()}
    command = faulty.start(run, executor=executor, max_concurrency=1)
    wait_until(lambda: count_outputs(faulty.cloud, run_id) >= 1)
    store.delete(keys["00010"])
    store.put(keys["00011"], turn_a_bit(data["00011"]), mode="overwrite")
    told = command.wait()
    assert told.code == 1
    failed = {item["chunk"]: item["error"] for item in told.summary["failed"]}
    assert sorted(failed) == sorted(keys)
    assert f"{keys['00010']} is gone" in failed["00010"]
    assert "another SHA-256" in failed["00011"]
    assert not read_manifest(store, "heartbeats", run_id).complete
    for name, key in keys.items():
        store.put(key, data[name], mode="overwrite")
    check_complete(faulty, run, faulty.run(run, executor=executor), tmp_path)


@pytest.mark.integration_long
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_bucket_that_refuses_the_functions_writes_loses_nothing(
    executor: str, faulty: FaultyDeployment, tmp_path: Path
) -> None:
    if not faulty.cloud.is_ours:
        pytest.skip("functions elsewhere can't reach a door on this machine")
    run = make_run(faulty.cloud.store, 6)
    with serve_refusal(faulty.cloud.environment["AWS_ENDPOINT_URL"]) as door:
        faulty.configure(s3=door)
        told = faulty.run(run, executor=executor)
    assert count_outputs(faulty.cloud, plan(faulty, run)) == 0
    if executor == "lambda":
        assert told.code == 2
        assert told.err.count("\n") == 1
        assert "refuses these AWS credentials" in told.err
    else:  # the functions are refused the word that they would leave, too
        assert told.code == 1
        assert len(told.summary["failed"]) == 6
    faulty.configure()
    check_complete(faulty, run, faulty.run(run, executor=executor), tmp_path)


@pytest.mark.integration_long
def test_a_bucket_that_is_gone_ends_the_run_in_one_line(faulty: FaultyDeployment) -> None:
    run = make_run(faulty.cloud.store, 3)
    told = faulty.run(run, "--output", "s3://mycelium-no-such-bucket")
    assert told.code == 2
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert "mycelium-no-such-bucket" in told.err


def turn_a_bit(data: bytes) -> bytes:
    """Return data of the same size with one bit turned."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def wait_for_quiet(cloud: Cloud, run_id: str) -> int:
    """Wait until no function writes any more, and return how many outputs there are."""
    seen: list[int] = []

    def is_quiet() -> bool:
        seen.append(count_outputs(cloud, run_id))
        return len(seen) > 10 and len(set(seen[-10:])) == 1  # a function of a busy machine may be slow in between

    wait_until(is_quiet, pause_s=0.5)
    return seen[-1]
