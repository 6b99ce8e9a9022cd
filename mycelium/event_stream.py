"""Where a command's events go: a file, or standard output; one line each, and none that breaks the run."""

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from mycelium.errors import UserInputError
from mycelium.events import AnyEvent, Observer
from mycelium.settings import expand_home
from mycelium.tracing import make_trace_id

STDOUT = "-"


class Sink(Protocol):
    """Takes bytes, all or none that matter: a file without a buffer."""

    def write(self, data: bytes, /) -> int | None:
        """Take bytes, and return how many were taken."""
        ...


class EventStream:
    """Writes each event as one line, at once, from any thread.

    A reader that goes away (`| head -1`) and a disk that is full end the stream and not the run: what happens is in the
    manifest, too.
    """

    def __init__(self, sink: Sink, complain: Callable[[str], None]) -> None:
        """Take where the lines go, and who is told when that fails; not of a reader that has seen enough."""
        self._sink, self._complain = sink, complain
        self._lock = threading.Lock()
        self._open = True

    def hear(self, event: AnyEvent) -> None:
        """Write an event."""
        line = msgspec.json.encode(event) + b"\n"
        with self._lock:
            if not self._open:
                return
            try:
                _write_all(self._sink, line)
            except OSError as error:
                self._open = False
                if not isinstance(error, BrokenPipeError):
                    self._complain(f"no more events are written: {error.strerror or error}; the run goes on")


class _Stdout:
    """Standard output as a sink, whatever stands in for it."""

    def write(self, data: bytes, /) -> int:
        try:
            sys.stdout.write(data.decode())
            sys.stdout.flush()
        except BrokenPipeError:
            # What is left in its buffer would be written, and fail, once more when the interpreter ends.
            with contextlib.suppress(io.UnsupportedOperation):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise
        return len(data)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@contextlib.contextmanager
def observing(
    where: str | None,
    make_id: Callable[[], str] = make_trace_id,
    complain: Callable[[str], None] = _say,
) -> Iterator[Observer]:
    """Give a command its trace id, and open where its events go.

    Args:
        where: a file, to whose end lines are added; `STDOUT`; None for nowhere.
        make_id: makes the trace id.
        complain: is told if no more events can be written.

    Yields:
        The observer of the command's first run; others come of it.

    Raises:
        UserInputError: the file can't be opened.
    """
    if where is None:
        yield Observer(make_id())
        return
    if where == STDOUT:
        hear = EventStream(_Stdout(), complain).hear
        yield Observer(make_id(), hear, owns_stdout=True, owns_terminal=sys.stdout.isatty())
        return
    try:
        # Without a buffer and at its end: each line is one write, and two commands may share the file.
        file = expand_home(where).open("ab", buffering=0)
    except OSError as error:
        reason = error.strerror or error
        raise UserInputError(f"--events {where}: {reason}; name a file, or - for standard output") from None
    with file:
        yield Observer(make_id(), EventStream(file, complain).hear)


def _write_all(sink: Sink, data: bytes) -> None:
    while data:
        data = data[sink.write(data) or len(data) :]
