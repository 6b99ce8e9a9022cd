"""What a hint tells a person to type: our commands, by the name under which this process was started.

Whoever came by `mycelium …` may have no checkout, and need not know of `python -m coordinator`; whoever came by that
may have no `mycelium` on the path. The name is the process's, as its working directory is: hints are made in threads,
and far below the command line.
"""

from collections.abc import Iterator
from contextlib import contextmanager

FRONT_DOOR = "mycelium"
"""The program that has the commands of every place."""

BEHIND_IT = {"coordinator": "mycelium", "gpu_workers": "mycelium gpu"}
"""What is typed there before the commands of each place."""

_programs: dict[str, str] = {}


def say_command(words: str) -> str:
    """Return a command as it is typed here: a place of execution, and what follows.

    >>> say_command("coordinator retry gsm8k-0123456789ab")
    'python -m coordinator retry gsm8k-0123456789ab'
    """
    place, space, rest = words.partition(" ")
    return f"{_programs.get(place, f'python -m {place}')}{space}{rest}"


@contextmanager
def started_as(program: str) -> Iterator[None]:
    """Let hints name commands as a program does, for so long."""
    before = dict(_programs)
    _programs.clear()
    _programs.update(BEHIND_IT if program == FRONT_DOOR else {})
    try:
        yield
    finally:
        _programs.clear()
        _programs.update(before)
