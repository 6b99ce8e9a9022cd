"""What the documentation quotes of LocalStack: fan-out over warm functions, and the cold start of each function.

Every figure is of this machine, whose cores the functions share with the coordinator and LocalStack.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.measure import describe_machine
from coordinator.executors.invoke import Report, parse_report
from mycelium.manifest import Outcome, read_manifest
from tests.integration.cloud import MAX_CONCURRENCY, Cloud, Told
from tests.integration.deployed import Deployed
from tests.integration.faults import make_run

pytestmark = pytest.mark.integration_long
Record = Callable[[str, object], None]
ROUNDS = 5


def run_heartbeat(cloud: Cloud, run: str) -> Told:
    """Run the stage over a run of iaf, on Lambda."""
    where = ["--executor", "lambda", "--deployment", cloud.deployment, "--max-concurrency", str(MAX_CONCURRENCY)]
    where.append("--no-backups")  # every invocation is counted
    told = cloud.run("run-stage", "heartbeat", "--input", run, *where, "--json", "--quiet")
    assert told.code == 0, told.err
    return told


@pytest.mark.parametrize("n_chunks", [117, 1000])
def test_fan_out_over_warm_functions(n_chunks: int, deployed: Deployed, cloud: Cloud, record_property: Record) -> None:
    run_heartbeat(cloud, make_run(cloud.store, 2 * MAX_CONCURRENCY))  # warms them
    told = run_heartbeat(cloud, make_run(cloud.store, n_chunks))
    assert (told.summary["complete"], told.summary["invocations"]) == (True, n_chunks)
    used, cold = told.usage, told.summary["cold_starts"]
    each_ms = 1000 * used.cpu_s / n_chunks
    record_property(
        "figure",
        f"{n_chunks} invocations, {cold} cold, {MAX_CONCURRENCY} at a time: wall {used.wall_s:.1f} s, coordinator "
        f"{used.cpu_s:.2f} s of CPU ({each_ms:.1f} ms each, its start, plan and manifest included), "
        f"{used.peak_mb:.0f} MB at most; {describe_machine()}",
    )


def test_cold_start_of_the_heartbeat(deployed: Deployed, cloud: Cloud, record_property: Record) -> None:
    cold, warm = [], []
    for _ in range(ROUNDS):
        start_afresh(cloud, cloud.function)
        cold.append(run_one(cloud))
        warm.append(run_one(cloud))
    assert all(outcome.cold for outcome in cold)
    assert not any(outcome.cold for outcome in warm)
    init = statistics.median(outcome.init_ms for outcome in cold)
    first = statistics.median(outcome.billed_ms for outcome in cold)
    next_ = statistics.median(outcome.billed_ms for outcome in warm)
    record_property(
        "figure",
        f"heartbeat: {init:.0f} ms to load; billed {first:.0f} ms cold with its first chunk, {next_:.0f} ms warm "
        f"(medians of {ROUNDS}); {describe_machine()}",
    )


def run_one(cloud: Cloud) -> Outcome:
    """Run the heartbeat over one small chunk, and return what became of it."""
    told = run_heartbeat(cloud, make_run(cloud.store, 1))
    (outcome,) = read_manifest(cloud.store, "heartbeats", told.summary["run"]).outcomes
    return outcome


def test_loading_of_every_function(deployed: Deployed, cloud: Cloud, record_property: Record) -> None:
    for name, function in list_functions(cloud):
        reports = []
        for _ in range(ROUNDS):
            start_afresh(cloud, function)
            reports.append(load(cloud, function))
        assert all(report.init_ms > 0 for report in reports)
        init = statistics.median(report.init_ms for report in reports)
        record_property("figure", f"{name}: {init:.0f} ms to load (median of {ROUNDS}); {describe_machine()}")


def list_functions(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """Yield the functions of the deployment, by what they do."""
    found = cloud.client("ssm").get_parameters_by_path(Path=f"/{cloud.deployment}/functions/", Recursive=True)
    for parameter in found["Parameters"]:
        yield parameter["Name"].rpartition("/")[2], parameter["Value"]
    yield "reduce", cloud.reduce_function


def load(cloud: Cloud, function: str) -> Report:
    """Invoke a function with an event that it refuses once it is loaded, and return the platform's report."""
    answer = cloud.client("lambda").invoke(FunctionName=function, LogType="Tail", Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    return parse_report(answer["LogResult"])


def start_afresh(cloud: Cloud, function: str) -> None:
    """Make the next invocation of a function a cold one."""
    client = cloud.client("lambda")
    client.update_function_configuration(FunctionName=function, Description=f"started afresh at {time.time()}")
    client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
