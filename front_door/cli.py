"""The command `mycelium`: the coordinator's commands, and the GPU machine's behind `gpu`."""

import copy
from typing import NoReturn

import click

from mycelium.command import CommandGroup, run_command, version_option
from mycelium.hint import BEHIND_IT, FRONT_DOOR

ONLY_GPU = "GPU machines are installed with the commands behind `mycelium gpu` alone; a laptop has the others."


class GpuGroup(CommandGroup):
    """The GPU machine's commands, imported when one of them is asked for; torch, when one of them runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the GPU machine's commands."""
        return _gpu_workers().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of them."""
        found = _gpu_workers().get_command(ctx, cmd_name)
        return None if found is None else _as_typed_here(found)


def _gpu_workers() -> click.Group:
    from gpu_workers.cli import gpu_workers

    return gpu_workers


def _as_typed_here(command: click.Command) -> click.Command:
    """Return a command whose help, and that of those below it, names commands as they are typed here."""
    ours = copy.copy(command)
    ours.help = None if command.help is None else name_commands(command.help)
    if isinstance(ours, click.Group):
        ours.commands = {name: _as_typed_here(below) for name, below in ours.commands.items()}
    return ours


def name_commands(text: str) -> str:
    """Return a text that names commands by their modules with each as it is typed here; columns stay in line."""
    return "\n".join(map(_name_in_line, text.split("\n")))


def _name_in_line(line: str) -> str:
    for place, program in BEHIND_IT.items():
        module = f"python -m {place}"
        indent, found, rest = line.partition(module)
        if found and indent.isspace():  # the first column of some
            words, gap, column = rest.partition("  ")
            lost = " " * (len(module) - len(program)) if gap else ""
            line = f"{indent}{program}{words}{lost}{gap}{column}"
        line = line.replace(module, program)
    return line


def make_front_door() -> click.Group:
    """Make the group of all commands: the coordinator's as they are, if they are installed, and `gpu` beside them."""
    gpu = GpuGroup("gpu", help="Run models on this machine: extract, generate, embed, upload, work.")
    try:
        from coordinator.cli import coordinator
    except ModuleNotFoundError as error:
        if error.name not in {"coordinator", "coordinator.cli"}:
            raise
        return version_option(CommandGroup(FRONT_DOOR, commands={"gpu": gpu}, help=ONLY_GPU))
    return CommandGroup(
        FRONT_DOOR,
        commands={**{name: _as_typed_here(command) for name, command in coordinator.commands.items()}, "gpu": gpu},
        params=coordinator.params,
        help=name_commands(coordinator.help or ""),
        context_settings=coordinator.context_settings,
    )


def run() -> NoReturn:
    """Run the command line."""
    run_command(make_front_door(), FRONT_DOOR)
