"""Make the executor that the command line names, from what was deployed."""

import contextlib
import resource
from dataclasses import dataclass, replace
from typing import Any

from coordinator.deployment import Deployment, find_deployment, make_client
from coordinator.executors.aws_lambda import MAX_CONCURRENCY, Invokes, LambdaExecutor
from coordinator.executors.fly import Flyer
from coordinator.executors.invoke import READ_MARGIN_S, Invoker
from coordinator.executors.local import LocalExecutor
from coordinator.executors.step_functions import StepFunctionsExecutor
from mycelium.errors import UserInputError
from mycelium.events import Observer
from mycelium.reduce import Reducer
from mycelium.run import Executor
from mycelium.stage import Stage

SPARE_FILES = 64
"""Files that a run has open beside its connections."""

EXECUTORS = ("local", "lambda", "step-functions")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a run's tasks are done, and what goes with it.

    Attributes:
        executor: runs the tasks.
        reducer: reduces many or large parts; None for the coordinator.
        store: URI of the store to use where none is named; None for the settings'.
    """

    executor: Executor
    reducer: Reducer | None = None
    store: str | None = None


def choose_executor(
    name: str,
    stage: Stage[Any],
    deployment: str,
    *,
    max_workers: int | None,
    max_concurrency: int | None,
    observer: Observer | None = None,
) -> Chosen:
    """Make an executor.

    Args:
        name: one of `EXECUTORS`.
        stage: the stage that is to run.
        deployment: the deployment that the cloud executors use.
        max_workers: processes of the local executor.
        max_concurrency: tasks that the cloud executors have in flight.
        observer: is told of what they do, and knows the trace id.

    Raises:
        UserInputError: a bound that the executor has not.
        DeploymentError: there is no such deployment, or it can't be used.
    """
    if name == "local":
        if max_concurrency is not None:
            raise UserInputError("--max-concurrency is for the cloud executors: give --max-workers")
        return Chosen(LocalExecutor(max_workers))
    if max_workers is not None:
        raise UserInputError(f"--max-workers is for the local executor: with --executor {name} give --max-concurrency")
    found = find_deployment(deployment, stage.name)
    in_flight = max_concurrency or MAX_CONCURRENCY
    executor = make_lambda_executor(found, stage, in_flight, observer)
    store = f"s3://{found.bucket}"
    if name == "lambda":
        return Chosen(executor, executor, store)
    trace_id = observer.trace_id if observer else ""
    return Chosen(make_step_functions_executor(found, in_flight, executor, trace_id=trace_id), executor, store)


def make_lambda_executor(
    deployment: Deployment, stage: Stage[Any], max_concurrency: int, observer: Observer | None = None
) -> LambdaExecutor:
    """Make the executor that invokes a deployed stage's function."""
    observer = observer or Observer()
    endpoint = replace(deployment.endpoint, trace_id=observer.trace_id)
    raise_file_limit(max_concurrency)
    if endpoint.proxies:  # which botocore's pool knows how to pass
        invoker: Invokes = Invoker(endpoint, max_concurrency, stage.timeout_s)
    else:
        invoker = Flyer(endpoint, stage.timeout_s + READ_MARGIN_S)
    return LambdaExecutor(invoker, deployment.function, deployment.reduce_function, max_concurrency, observer=observer)


def raise_file_limit(n_connections: int) -> None:
    """Let this process open a file for each connection and some more, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # what can't fly for want of a file is tried again
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def make_step_functions_executor(
    deployment: Deployment,
    max_concurrency: int,
    adopter: LambdaExecutor,
    *,
    may_start: bool = True,
    trace_id: str = "",
) -> StepFunctionsExecutor:
    """Make the executor that starts a deployed state machine, or follows what it is at."""
    client = make_client("stepfunctions", deployment.region)
    return StepFunctionsExecutor(
        client, deployment, max_concurrency, adopter=adopter, may_start=may_start, trace_id=trace_id
    )


def check_cloud_store(executor: str, *uris: str) -> None:
    """Refuse a store that functions can't reach.

    Raises:
        UserInputError: a cloud executor, and a store that is not in S3.
    """
    for uri in uris:
        if executor != "local" and not uri.startswith("s3://"):
            raise UserInputError(
                f"--executor {executor} needs its stores in S3; got {uri}: leave --store out for the deployment's"
            )
