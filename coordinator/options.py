"""Options that many commands have, and what they mean."""

import shlex
from itertools import islice
from pathlib import Path

import click

from lambdas.stages import stage_names
from mycelium.command import EVENTS_HELP, Choice
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.errors import MyceliumError
from mycelium.settings import read_settings
from mycelium.store import Store, open_store

EXECUTORS = ("local", "lambda", "step-functions")

MAX_COMPLETED = 200
"""Runs that a shell is told of."""


def open_named(store: str | None) -> Store:
    """Open the store that --store names, or else the settings'."""
    return open_store(store or read_settings().store)


def name_store(uri: str | None) -> str:
    """Return the option that names a store, for a command that is hinted at; nothing for the one opened without it."""
    usual = read_settings().store
    usual = usual.rstrip("/") if usual.startswith("s3://") else open_store(usual).uri
    return "" if uri is None or uri == usual else f" --store {shlex.quote(uri)}"


def open_deployed(deployment: str, store: str | None) -> Store:
    """Open the store that --store names, or else the bucket of a deployment."""
    from coordinator.deployment import find_deployment  # noqa: PLC0415 - only the cloud pays for it

    return open_store(store or f"s3://{find_deployment(deployment, None).bucket}")


def open_for_tasks(executor: str, deployment: str, store: str | None) -> Store:
    """Open the store that tasks are to read and write: the one named; else the settings', or in the cloud the bucket.

    Raises:
        UserInputError: a cloud executor, and a store that its functions can't reach.
        DeploymentError: a cloud executor, no store named, and no such deployment.
    """
    if executor == "local":
        return open_named(store)
    from coordinator.executors.choose import check_cloud_store  # noqa: PLC0415 - only the cloud pays for it

    opened = open_deployed(deployment, store)
    check_cloud_store(executor, opened.uri)
    return opened


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the runs whose names begin as typed, for a shell; of a folder only, since no shell waits for a bucket."""
    del param
    from mycelium.manifest import list_runs  # noqa: PLC0415 - --help does not wait for pyarrow

    uri = ctx.params.get("folder") or ctx.params.get("store") or read_settings().store
    if "://" in uri or not Path(uri).is_dir():
        return []
    names = (f"{dataset}/{run_id}" for dataset, run_id in list_runs(open_store(uri)))
    try:
        return list(islice((name for name in names if name.startswith(incomplete)), MAX_COMPLETED))
    except MyceliumError:
        return []


def complete_stage(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the stages whose names begin as typed, for a shell."""
    del ctx, param
    return [name for name in stage_names() if name.startswith(incomplete)]


def with_executor(command: click.Command) -> click.Command:
    """Give a command the options that say where tasks run."""
    command.params.extend(executor_options())
    return command


def with_max_cost(command: click.Command) -> click.Command:
    """Give a command the option that bounds what a run may cost."""
    command.params.append(max_cost_option())
    return command


def max_cost_option() -> click.Option:
    """Make the option that bounds what a run may cost."""
    return click.Option(
        ["--max-cost"],
        type=click.FloatRange(0, min_open=True),
        metavar="USD",
        help="Start no more chunks than so many dollars surely pay for, and none if it can't be enough.",
    )


def executor_options() -> list[click.Option]:
    """Make the options that say where tasks run."""
    return [
        click.Option(
            ["--executor"],
            type=Choice(EXECUTORS),
            default="local",
            show_default=True,
            help="Where the tasks run: this machine, Lambda, or Lambda behind a state machine that outlives this one.",
        ),
        click.Option(
            ["--max-workers"],
            type=click.IntRange(1),
            help="Processes, locally. Default: as many as pay, up to one for each core, as far as memory goes.",
        ),
        click.Option(
            ["--max-concurrency"], type=click.IntRange(1, 10_000), help="Tasks in flight, on Lambda. Default: 1,000."
        ),
        click.Option(
            ["--backups/--no-backups"],
            default=None,
            help="On Lambda: call again what takes over twice the usual time, one chunk in ten at most. Default: yes.",
        ),
        click.Option(
            ["--max-failures"],
            metavar="N|P%",
            help="Give up when more chunks fail. Default: only when the first 20 all fail alike.",
        ),
        click.Option(["--events"], metavar="FILE", help=EVENTS_HELP),
        click.Option(
            ["--deployment"], default=DEFAULT_DEPLOYMENT, show_default=True, help="What `cdk deploy` called the stack."
        ),
    ]
