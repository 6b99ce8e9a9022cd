"""Coming back to a run whose coordinator was killed."""

import json
import os
import signal
import subprocess
import sys

import boto3
import msgspec
import pytest

from coordinator.deployment import Deployment
from coordinator.executors.step_functions import read_record, work_key
from coordinator.runs.attach import attach_run, look_at_run
from lambdas.stages import find_stage
from mycelium.deployment import function_parameter
from mycelium.errors import UnknownRunError, UserInputError
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import S3Store
from tests.coordinator.executors.conftest import cloud, deployment, make_states
from tests.coordinator.executors.contract import N_CHUNKS, Bench, make_local, run_reference
from tests.coordinator.executors.stub import FUNCTION, StubCloud
from tests.coordinator.executors.test_aws_lambda import fail_always, publish, wait_until
from tests.mycelium.templates.world import PARAMS, build_world, make_chunk

__all__ = ["cloud", "deployment"]  # fixtures


@pytest.fixture
def bench(deployment: Deployment) -> Bench:
    """The executor over the stub."""
    return Bench(S3Store(deployment.bucket, "pre/fix"), lambda: (make_states(deployment), None), "")


def test_a_killed_coordinator_is_attached_to_again_and_nothing_runs_twice(
    bench: Bench, cloud: StubCloud, deployment: Deployment
) -> None:
    publish(deployment)
    plan = bench.plan()
    cloud.hold.clear()
    python = [sys.executable, "-m", "coordinator"]
    where = ["--store", bench.store.uri]
    first = subprocess.Popen(
        [*python, "run-stage", "heartbeat", "--executor", "step-functions", "--quiet", *where], env=os.environ
    )
    wait_until(lambda: bool(cloud.executions))
    first.send_signal(signal.SIGKILL)
    first.wait(10)

    def ask(*command: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [*python, *command, *where, "--json"], capture_output=True, timeout=60, env=os.environ, check=False
        )

    stands = ask("status", plan.run_id)
    assert (stands.returncode, json.loads(stands.stdout)["state"]) == (0, "RUNNING"), stands.stderr
    cloud.hold.set()
    told = ask("attach", plan.run_id, "--quiet")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["complete"]
    assert sorted(cloud.invoked) == [task.chunk_id for task in plan.tasks]
    assert bench.outputs(plan) == run_reference(bench)[1]
    assert ask("status", plan.run_id).returncode == 0


def test_attach_starts_nothing_and_names_what_is_missing(
    bench: Bench, cloud: StubCloud, deployment: Deployment
) -> None:
    publish(deployment)
    cloud.script = fail_always("00002", "crash")
    plan = bench.plan()
    bench.run(plan)
    bench.store.delete(f"manifests/heartbeats/{plan.run_id}.json")
    manifest = attach_run(bench.store, plan.run_id, "mycelium", quiet=True)
    assert [o.chunk_id for o in manifest.failed] == ["00002"]
    assert len(cloud.invoked) == N_CHUNKS
    look = look_at_run(bench.store, plan.run_id)
    assert look is not None
    assert (look.state, look.n_written, look.n_items) == ("SUCCEEDED", N_CHUNKS - 1, N_CHUNKS)


def test_attach_to_a_run_that_no_state_machine_was_at_says_how_to_start_one(
    bench: Bench, deployment: Deployment
) -> None:
    plan = bench.plan()
    with pytest.raises(UnknownRunError, match="--executor step-functions"):
        attach_run(bench.store, plan.run_id, "mycelium")
    with pytest.raises(UserInputError, match="no execution was started"):
        list(make_states(deployment, may_start=False).run(plan.tasks, bench.store.uri, bench.store.uri))
    assert look_at_run(bench.store, plan.run_id) is None


def test_attach_to_a_run_whose_inputs_have_changed_says_so(bench: Bench, deployment: Deployment) -> None:
    plan = bench.plan()
    bench.run(plan)
    record = read_record(bench.store, plan.run_id)
    other = "gsm8k-000000000000"
    bench.store.put(work_key(other, "run.json"), msgspec.json.encode(record))
    with pytest.raises(UnknownRunError, match=plan.run_id):
        attach_run(bench.store, other, "mycelium")


def test_a_run_that_maps_with_another_run_s_templates_is_attached_to(bench: Bench, deployment: Deployment) -> None:
    publish(deployment)
    boto3.client("ssm").put_parameter(Name=function_parameter("mycelium", "templates"), Value=FUNCTION, Type="String")
    store, stage = bench.store, find_stage("templates")
    runs = build_world(store, [make_chunk(i) for i in range(3)])
    fitted = run_plan(store, plan_run(store, store, stage, PARAMS, list(runs.values())), make_local(1)[0], quiet=True)
    new = build_world(store, [make_chunk(50)], "new")
    plan = plan_run(store, store, stage, PARAMS, list(new.values()), fit=fitted.fit)
    executor, _ = bench.make()
    done = run_plan(store, plan, executor, quiet=True)
    assert done.complete
    store.delete(f"manifests/assignments/{plan.run_id}.json")
    again = attach_run(store, plan.run_id, "mycelium", quiet=True)
    assert (again.complete, again.fit, again.result) == (True, done.fit, done.result)
