"""The command `mycelium`: the coordinator's commands, and the GPU machine's behind `gpu`."""

from typing import NoReturn

import click

from coordinator.cli import coordinator
from mycelium.command import CommandGroup, run_command

PROGRAM = "mycelium"


class GpuGroup(CommandGroup):
    """The GPU machine's commands, imported when one of them is asked for; torch, when one of them runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the GPU machine's commands."""
        return _gpu_workers().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of them."""
        return _gpu_workers().get_command(ctx, cmd_name)


def _gpu_workers() -> click.Group:
    from gpu_workers.cli import gpu_workers

    return gpu_workers


def make_front_door() -> click.Group:
    """Make the group of all commands: the coordinator's as they are, and `gpu` beside them."""
    gpu = GpuGroup("gpu", help="Run models on this machine: extract, generate, embed, upload, work.")
    return CommandGroup(
        PROGRAM,
        commands={**coordinator.commands, "gpu": gpu},
        params=coordinator.params,
        help=coordinator.help,
        context_settings=coordinator.context_settings,
    )


def run() -> NoReturn:
    """Run the command line."""
    run_command(make_front_door(), PROGRAM)
