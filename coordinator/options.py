"""Options that many commands have, and what they mean."""

import click

from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.settings import read_settings
from mycelium.store import Store, open_store


def open_named(store: str | None) -> Store:
    """Open the store that --store names, or else the settings'."""
    return open_store(store or read_settings().store)


def with_executor(command: click.Command) -> click.Command:
    """Give a command the options that say where tasks run."""
    command.params.extend(executor_options())
    return command


def executor_options() -> list[click.Option]:
    """Make the options that say where tasks run."""
    return [
        click.Option(
            ["--executor"],
            type=click.Choice(["local", "lambda", "step-functions"]),
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
            ["--max-failures"],
            metavar="N|P%",
            help="Give up when more chunks fail. Default: only when the first 20 all fail alike.",
        ),
        click.Option(
            ["--deployment"], default=DEFAULT_DEPLOYMENT, show_default=True, help="What `cdk deploy` called the stack."
        ),
    ]
