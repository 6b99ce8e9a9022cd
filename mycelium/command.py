"""What the command lines share: errors in one line, exit codes, the nearest right word, options of many commands.

Exit codes: 0 done; 1 some chunks failed, each named (a rerun does those); 2 the user's mistake or an unusable store, in
one line that says what to do instead; 130 Ctrl-C.
"""

import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from mycelium.errors import MyceliumError
from mycelium.settings import STORE_VARIABLE

EXIT_SOME_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

store_option = click.option(
    "--store", metavar="URI", help=f"Folder, file:// or s3://bucket/prefix. Default: ${STORE_VARIABLE}, or ./store."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


class CommandGroup(click.Group):
    """A group of commands that turns every error raised on purpose into one line and exit code 2."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for a word that is none, say the nearest."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            names = self.list_commands(ctx)
            near = difflib.get_close_matches(args[0], names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            ctx.fail(f"no {self.name} is called {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)


def run_command(group: click.Group, program: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit."""
    sys.exit(call_command(group, program, arguments))


def call_command(group: click.Group, program: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        code: Any = group.main(arguments, prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        # A usage error's own text is enough; click would print the usage above it.
        hint = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        return _fail(f"{error.format_message()}{hint}")
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command carries on from here", err=True)
        return EXIT_INTERRUPTED
    except MyceliumError as error:
        return _fail(str(error))
    except BrokenPipeError:  # the reader, `head`, say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def _fail(message: str) -> int:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    return EXIT_USER_ERROR


def describe_commands(group: click.Group, program: str) -> Iterator[str]:
    """Yield the lines of a page, as Markdown, that has the help of a program and of each of its commands."""
    for words, command in _walk(group, (program,)):
        # The help option's names are said, because click keeps those of whoever asks first.
        context = click.Context(
            command, info_name=" ".join(words), terminal_width=100, help_option_names=["-h", "--help"]
        )
        yield from (f"## {' '.join(words[1:]) or words[0]}", "", "```", command.get_help(context), "```", "")


def _walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _walk(found, (*words, name))
