"""Make the executor that the command line names."""

from dataclasses import dataclass
from typing import Any

from coordinator.executors.local import LocalExecutor
from coordinator.executors.without_pandas import leave_pandas_out
from mycelium.errors import UserInputError
from mycelium.events import Observer
from mycelium.reduce import Reducer
from mycelium.run import Executor, Watch
from mycelium.stage import Stage

EXECUTORS = ("local", "lambda", "step-functions")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a run's tasks are done, and what goes with it.

    Attributes:
        executor: runs the tasks.
        reducer: reduces many or large parts; None for the coordinator.
        store: URI of the store to use where none is named; None for the settings'.
        watch: what else the manifest is to say of the run; None for nothing.
    """

    executor: Executor
    reducer: Reducer | None = None
    store: str | None = None
    watch: Watch | None = None


def choose_executor(
    name: str,
    stage: Stage[Any],
    deployment: str,
    *,
    max_workers: int | None,
    max_concurrency: int | None,
    backups: bool | None = None,
    observer: Observer | None = None,
) -> Chosen:
    """Make an executor.

    Args:
        name: one of `coordinator.options.EXECUTORS`.
        stage: the stage that is to run.
        deployment: the deployment that the cloud executors use.
        max_workers: processes of the local executor.
        max_concurrency: tasks that the cloud executors have in flight.
        backups: whether an invocation that takes long is made a second time; None for yes, where there are such.
        observer: is told of what they do, and knows the trace id.

    Raises:
        UserInputError: a bound, or backups, that the executor has not.
        DeploymentError: there is no such deployment, or it can't be used.
    """
    if name == "local":
        if max_concurrency is not None:
            raise UserInputError("--max-concurrency is for the cloud executors: give --max-workers")
        if backups:
            raise UserInputError("--backups is for the cloud executors: on one machine a duplicate is as slow")
        leave_pandas_out()
        return Chosen(LocalExecutor(max_workers, traffic=None if observer is None else observer.traffic))
    if max_workers is not None:
        raise UserInputError(f"--max-workers is for the local executor: with --executor {name} give --max-concurrency")
    from coordinator.executors.deployed import choose_deployed  # noqa: PLC0415 - a run here does not wait for it

    backs_up = backups is not False
    executor, functions, uri = choose_deployed(name, stage, deployment, max_concurrency, observer, backs_up=backs_up)
    return Chosen(executor, functions, uri, functions)


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
