"""The way that docs/deploy.md shows, on LocalStack: deploy, a run through each executor, destroy."""

import json
from collections.abc import Callable

import pytest

from benchmarks.measure import describe_machine
from infra.packaging import ROOT
from tests.integration.cloud import CDK, MAX_CONCURRENCY, Cloud, Told
from tests.integration.deployed import Deployed, SampleRun, check_same, forget_outputs
from tests.integration.faults import wait_until

Record = Callable[[str, object], None]
CLOUD_EXECUTORS = ["lambda", "step-functions"]


def run_heartbeat(cloud: Cloud, executor: str, *more: str) -> Told:
    """Run the stage as docs/deploy.md does."""
    where = ["--executor", executor, "--deployment", cloud.deployment, "--max-concurrency", str(MAX_CONCURRENCY)]
    where.append("--no-backups")  # every invocation is counted
    return cloud.run("run-stage", "heartbeat", *where, "--json", "--quiet", *more)


def list_logged(cloud: Cloud, run: str) -> list[str]:
    """Return the chunks of which a function has logged a line, as `logs` finds them; the lines come a little late."""
    told = cloud.run("logs", run, "--deployment", cloud.deployment)
    assert told.code == 0, told.err
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert {line["status"] for line in lines} <= {"done"}
    return sorted(line["chunk_id"] for line in lines)


def test_the_cdk_is_the_one_that_the_documentation_names() -> None:
    assert f"npm install --global {CDK}" in (ROOT / "docs" / "deploy.md").read_text()


def test_cdk_deploy_says_where_the_store_is(deployed: Deployed, cloud: Cloud) -> None:
    assert f"{cloud.deployment}.Bucket = {deployed.bucket}" in deployed.said


@pytest.mark.parametrize("executor", CLOUD_EXECUTORS)
def test_a_run_in_the_cloud_gives_the_bytes_and_the_manifest_of_a_run_here(
    executor: str, sample: SampleRun, cloud: Cloud
) -> None:
    forget_outputs(cloud.store, sample.heartbeats)
    told = run_heartbeat(cloud, executor, "--input", sample.run)
    assert told.code == 0, told.err
    assert told.summary["run"] == sample.heartbeats
    manifest = check_same(cloud.store, sample.heartbeats, sample.expected, sample.outputs)
    assert manifest.executor == executor
    if executor == "lambda":
        assert told.summary["invocations"] == sample.n_chunks
        assert all(outcome.billed_ms > 0 and outcome.memory_mb > 0 for outcome in manifest.outcomes)
    chunks = sorted(outcome.chunk_id for outcome in sample.expected.outcomes)
    wait_until(lambda: list_logged(cloud, sample.heartbeats) == chunks, timeout_s=120, pause_s=1)
    again = run_heartbeat(cloud, executor, "--input", sample.run)
    assert (again.code, again.summary["complete"]) == (0, True)


@pytest.mark.integration_long
@pytest.mark.parametrize("executor", CLOUD_EXECUTORS)
def test_a_hundred_and_seventeen_chunks_give_the_bytes_and_the_manifest_of_a_run_here(
    executor: str, large_sample: SampleRun, cloud: Cloud, record_property: Record
) -> None:
    assert large_sample.n_chunks == len(large_sample.outputs) == 117
    forget_outputs(cloud.store, large_sample.heartbeats)
    told = run_heartbeat(cloud, executor, "--input", large_sample.run)
    assert told.code == 0, told.err
    check_same(cloud.store, large_sample.heartbeats, large_sample.expected, large_sample.outputs)
    used = told.usage
    record_property(
        "figure",
        f"{executor}, 117 chunks of the sample, {MAX_CONCURRENCY} at a time: wall {used.wall_s:.1f} s, "
        f"coordinator {used.cpu_s:.2f} s of CPU ({1000 * used.cpu_s / 117:.1f} ms each, its start included), "
        f"{used.peak_mb:.0f} MB at most; {describe_machine()}",
    )


@pytest.mark.integration_long
def test_the_gpu_stack_is_deployed_empty_and_destroyed(deployed: Deployed, cloud: Cloud) -> None:
    words = ["--app", str(deployed.assembly), "gpu/*"]
    cloud.cdk("deploy", "--require-approval", "never", *words, name="deploy gpu/*")
    client = cloud.client("autoscaling")

    def groups() -> list[tuple[int, int]]:
        found = client.describe_auto_scaling_groups()["AutoScalingGroups"]
        return [(group["DesiredCapacity"], len(group["Instances"])) for group in found]

    assert groups() == [(0, 0)]
    cloud.cdk("destroy", "--force", *words, name="destroy gpu/*")
    assert groups() == []


@pytest.mark.last
def test_cdk_destroy_takes_everything_but_the_data(deployed: Deployed, cloud: Cloud, record_property: Record) -> None:
    key = "problems/kept/00000.parquet"
    cloud.store.put(key, b"data", mode="overwrite")
    functions = [cloud.function, cloud.reduce_function]
    deployed.destroy()
    for name, seconds in cloud.timings.items():
        record_property("figure", f"cdk {name}: {seconds:.1f} s; {describe_machine()}")
    kept = cloud.client("s3").get_object(Bucket=deployed.bucket, Key=key)
    assert kept["Body"].read() == b"data"
    left = [item["FunctionName"] for item in cloud.client("lambda").list_functions()["Functions"]]
    assert not set(functions) & set(left)
    found = cloud.client("ssm").get_parameters_by_path(Path=f"/{cloud.deployment}/", Recursive=True)
    assert found["Parameters"] == []
    told = cloud.client("stepfunctions").list_state_machines()["stateMachines"]
    assert [machine["name"] for machine in told] == []
