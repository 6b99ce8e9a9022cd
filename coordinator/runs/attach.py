"""Come back to a run that a state machine is at, after the coordinator that started it is gone."""

from dataclasses import dataclass

import msgspec

from coordinator.deployment import find_deployment
from coordinator.executors.aws_lambda import MAX_CONCURRENCY
from coordinator.executors.deployed import make_lambda_executor, make_step_functions_executor
from coordinator.executors.step_functions import RunRecord, describe_execution, read_record
from lambdas.stages import find_stage
from mycelium.aws import calling_aws, make_client
from mycelium.errors import UnknownRunError
from mycelium.events import Observer
from mycelium.hint import say_command
from mycelium.manifest import Manifest, find_run
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import Store, open_store


@dataclass(frozen=True, slots=True)
class RunLook:
    """How an execution stands.

    Attributes:
        run_id: the run that it is at.
        execution: its ARN.
        state: ``RUNNING``, ``SUCCEEDED`` and so on; ``UNKNOWN`` once it is forgotten, after 90 days.
        n_items: the chunks that it was given.
        n_written: the chunks of the run that have their output.
    """

    run_id: str
    execution: str
    state: str
    n_items: int
    n_written: int


def look_at_run(store: Store, run_id: str) -> RunLook | None:
    """Return how the execution of a run stands; None if none was ever started.

    Raises:
        DeploymentError: Step Functions can't be asked.
    """
    if not run_id or (record := read_record(store, run_id)) is None:
        return None
    with calling_aws(f"deployment {record.deployment!r}"):
        state = describe_execution(make_client("stepfunctions", record.region), record.execution)
    dataset = find_stage(record.stage).writes[-1]
    n_written = sum(1 for _ in store.list(f"{dataset.name}/{run_id}/"))
    return RunLook(run_id, record.execution, state or "UNKNOWN", record.n_items, n_written)


def attach_run(
    store: Store, run_id: str, deployment: str, *, quiet: bool = False, observer: Observer | None = None
) -> Manifest:
    """Follow the execution of a run to its end, take over what it wrote, and write the manifest.

    Args:
        store: the store that the run writes.
        run_id: the run.
        deployment: the deployment that the execution belongs to, unless the record names another.
        quiet: show no progress.
        observer: tells what happens. The trace id is that of the command which started the execution.

    Raises:
        UnknownRunError: no execution was started for this run, or its inputs have become another run since.
        DeploymentError: the deployment can't be used.
    """
    record = read_record(store, run_id)
    if record is None:
        raise UnknownRunError(
            f"no state machine was started for run {run_id} in {store.uri} (deployment {deployment!r}): "
            f"`{say_command('coordinator run-stage STAGE --executor step-functions')}` starts one"
        )
    stage = find_stage(record.stage)
    params = msgspec.convert(record.params, type(stage.params))
    source = open_store(record.source_uri)
    inputs = _find_inputs(source, record)
    plan = plan_run(source, store, stage, params, inputs)
    if plan.run_id != run_id and record.fit is not None:  # it may map with another run's artifact
        plan = plan_run(source, store, stage, params, inputs, fit=record.fit)
    if plan.run_id != run_id:
        raise UnknownRunError(
            f"run {run_id} was of other inputs or another version of stage {stage.name}; now it would be {plan.run_id}"
        )
    found = find_deployment(record.deployment, stage.name)
    observer = observer or Observer()
    observer.trace_id = record.trace_id or observer.trace_id
    remote = make_lambda_executor(found, stage, MAX_CONCURRENCY, observer)
    executor = make_step_functions_executor(found, MAX_CONCURRENCY, remote, may_start=False)
    return run_plan(store, plan, executor, reducer=remote, quiet=quiet, observer=observer)


def _find_inputs(source: Store, record: RunRecord) -> list[Manifest]:
    return [find_run(source, reference, reference.partition("/")[0]) for reference in record.inputs]
