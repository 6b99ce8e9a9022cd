"""Make the executors of what was deployed; only a run in the cloud imports what they need."""

import contextlib
import resource
from dataclasses import replace
from typing import Any

from coordinator.cost.planned import make_pricer
from coordinator.cost.prices import ARM64, read_prices
from coordinator.deployment import Deployment, find_deployment
from coordinator.executors.aws_lambda import MAX_CONCURRENCY, Invokes, LambdaExecutor
from coordinator.executors.backup import BACKUPS, BackupRule
from coordinator.executors.fly import Flyer
from coordinator.executors.invoke import READ_MARGIN_S, Invoker
from coordinator.executors.step_functions import StepFunctionsExecutor
from mycelium.aws import make_client
from mycelium.events import Observer
from mycelium.run import Executor
from mycelium.stage import Stage

SPARE_FILES = 64
"""Files that a run has open beside its connections."""


def choose_deployed(
    name: str,
    stage: Stage[Any],
    deployment: str,
    max_concurrency: int | None,
    observer: Observer | None,
    *,
    backs_up: bool,
) -> tuple[Executor, LambdaExecutor, str]:
    """Make a cloud executor; see `coordinator.executors.choose.choose_executor`.

    Returns:
        It; what invokes functions for it, and reduces; and the URI of the deployment's store.
    """
    found = find_deployment(deployment, stage.name)
    in_flight = max_concurrency or MAX_CONCURRENCY
    if observer is not None:
        n_inputs = len(stage.reads) + (stage.fit is not None)
        observer.price = make_pricer(name, stage.memory_mb, n_inputs, read_prices().on(found.architecture or ARM64))
    executor = make_lambda_executor(found, stage, in_flight, observer, BACKUPS if backs_up else None)
    store = f"s3://{found.bucket}"
    if name == "lambda":
        return executor, executor, store
    trace_id = observer.trace_id if observer else ""
    machine = make_step_functions_executor(found, in_flight, executor, trace_id=trace_id)
    return machine, executor, store


def make_lambda_executor(
    deployment: Deployment,
    stage: Stage[Any],
    max_concurrency: int,
    observer: Observer | None = None,
    backups: BackupRule | None = BACKUPS,
) -> LambdaExecutor:
    """Make the executor that invokes a deployed stage's function."""
    observer = observer or Observer()
    endpoint = replace(deployment.endpoint, trace_id=observer.trace_id)
    raise_file_limit(max_concurrency)
    if endpoint.proxies:  # which botocore's pool knows how to pass
        invoker: Invokes = Invoker(endpoint, max_concurrency, stage.timeout_s)
    else:
        invoker = Flyer(endpoint, stage.timeout_s + READ_MARGIN_S)
    reduce_function = deployment.reduce_function
    return LambdaExecutor(
        invoker,
        deployment.function,
        reduce_function,
        max_concurrency,
        backups=backups,
        observer=observer,
        architecture=deployment.architecture,
    )


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
