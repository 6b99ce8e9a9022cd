"""What the command lines share: errors in one line, exit codes, the nearest right word, options of many commands.

Exit codes: 0 done; 1 some chunks failed, each named (a rerun does those); 2 the user's mistake or an unusable store, in
one line that says what to do instead; 130 Ctrl-C.
"""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from mycelium.errors import MyceliumError, UserInputError
from mycelium.hint import started_as
from mycelium.nearest import suggest
from mycelium.printable import make_printable
from mycelium.settings import STORE_VARIABLE

if TYPE_CHECKING:  # it brings Arrow, which --help does not wait for
    from mycelium.events import Observer

EXIT_SOME_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

_UNWRITTEN = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

store_option = click.option(
    "--store", metavar="URI", help=f"Folder, file:// or s3://bucket/prefix. Default: ${STORE_VARIABLE}, or ./store."
)
EVENTS_HELP = "Add what happens to FILE, an event a line, as docs/events.md says; - for standard output, and no other."
events_option = click.option("--events", metavar="FILE", help=EVENTS_HELP)
version_option = click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    help="Say which version this is.",
    callback=lambda ctx, _, is_asked: _tell_version(ctx) if is_asked else None,
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


def open_observer(events: str | None, *, as_json: bool) -> "Observer":
    """Make a command's observer, with a trace id of its own, for as long as click's context lasts.

    Args:
        events: what --events names.
        as_json: whether the command prints a document at its end.

    Raises:
        UserInputError: two things would go to standard output, or the file can't be opened.
    """
    from mycelium.event_stream import STDOUT, observing  # noqa: PLC0415 - as above

    if events == STDOUT and as_json:
        raise UserInputError("--events - and --json both write to standard output: give --events a FILE")
    return click.get_current_context().with_resource(observing(events))


def _tell_version(context: click.Context) -> None:
    """Say the release and the commit, and end; while a shell completes nothing is said."""
    from mycelium.version import code_version  # noqa: PLC0415 - it may ask git

    if not context.resilient_parsing:
        click.echo(f"mycelium, version {code_version()}")
        context.exit()


class CommandGroup(click.Group):
    """A group of commands that turns every error raised on purpose into one line and exit code 2.

    Attributes:
        kind: what its commands are called, when one is mistyped.
    """

    kind = "command"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for a word that is none, say the nearest."""
        is_typed = bool(args) and not args[0].startswith("-") and not ctx.resilient_parsing  # a shell only completes
        if is_typed and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"no {self.kind} is called {args[0]!r}: {suggest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


class Choice(click.Choice[str]):
    """One of some words; for another word, the nearest of them is said."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """Say what to type instead."""
        del ctx
        return f"{str(value)!r} is none of {', '.join(self.choices)}: {suggest(str(value), self.choices)}"


def run_command(group: click.Group, program: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit."""
    sys.exit(call_command(group, program, arguments))


def call_command(group: click.Group, program: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line, known to those who typed it as `program`, and return its exit code."""
    with started_as(program):
        return _call_command(group, program, arguments)


def _call_command(group: click.Group, program: str, arguments: Sequence[str] | None) -> int:
    stdout = sys.stdout
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
    except ModuleNotFoundError as error:
        from mycelium.extras import find_extras, read_requirements  # noqa: PLC0415 - only a mistake pays for it

        extras = find_extras(error.name or "", read_requirements())
        if not extras:  # no package that we ask for: a bug, and not an installation
            raise
        return _fail(f"this needs the package {error.name}: pip install 'mycelium[{extras[0]}]'")
    except (OSError, SystemExit) as error:
        return _end_unread(error, stdout)
    return code if isinstance(code, int) else 0


def _end_unread(error: OSError | SystemExit, stdout: TextIO) -> int:
    """End where standard output takes no more; raise any other error again, as a bug."""
    # Where a pipe breaks click leaves, with another stdout in place; it leaves when a shell completes, too.
    number = errno.EPIPE if sys.stdout is not stdout else getattr(error, "errno", None)
    if number not in _UNWRITTEN or getattr(error, "filename", None) is not None:
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())  # what is left in buffers goes nowhere
    if number == errno.EPIPE:  # the reader, `head`, say, has seen enough
        return 0
    return _fail(f"nothing more can be written: {os.strerror(number)}")


def _fail(message: str) -> int:
    click.echo(f"error: {make_printable(' '.join(message.split()))}", err=True)
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
