"""Progress of long work: a bar on a terminal, a plain line now and then where the output is piped."""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

PLAIN_EVERY_S = 5.0


@dataclass(slots=True)
class Traffic:
    """What an executor has under way; it keeps this, and who shows progress looks.

    Attributes:
        in_flight: tasks that run now; None where the executor does not say.
        retries: attempts that failed and are followed by another.
        throttled: those of them that never ran, because the platform had no room.
    """

    in_flight: int | None = None
    retries: int = 0
    throttled: int = 0


@dataclass(slots=True)
class Progress:
    """What has been done so far; shown by a subclass.

    Attributes:
        what: the name of the work.
        total: steps to do.
        unit: what a step is called, in the plural.
        done: steps done.
        failed: steps that failed, among those done.
        count: smaller things done, by which the speed is given.
        counted: what those are called.
        note: what else is to be said, in a few words.
        waits: what it waits for, if it does.
        bytes: bytes read and written.
        failures: what failed, by kind.
        usd: what it has cost so far, US dollars; None if that is not known.
        traffic: what the executor has under way.
    """

    what: str
    total: int
    unit: str = "chunks"
    counted: str = "problems"
    done: int = 0
    failed: int = 0
    count: int = 0
    note: str = ""
    waits: str | None = None
    started_s: float = field(default_factory=time.monotonic)
    bytes: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    usd: float | None = None
    traffic: Traffic = field(default_factory=Traffic)

    def advance(self, steps: int = 1, count: int = 0, *, failed: bool = False) -> None:
        """Say that some steps are done."""
        self.done += steps
        self.count += count
        self.failed += steps if failed else 0
        self.show()

    def show(self) -> None:
        """Show where the work stands; nothing here."""

    def line(self) -> str:
        """Return where the work stands, as one line."""
        elapsed = max(time.monotonic() - self.started_s, 1e-9)
        left = format_seconds(elapsed / self.done * (self.total - self.done)) if self.done else "?"
        failed = f", {self.failed} failed" if self.failed else ""
        speed = f", {self.count / elapsed:,.1f} {self.counted}/s" if self.count else ""
        note = f", {self.note}" if self.note else ""
        waits = f"; {self.waits}" if self.waits else ""
        return f"{self.what}: {self.done}/{self.total} {self.unit}{failed}{speed}{note}, {left} left{waits}"


@dataclass(slots=True)
class _PlainProgress(Progress):
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    shown_s: float = 0.0

    def show(self) -> None:
        now = time.monotonic()
        if self.done == self.total or now - self.shown_s >= PLAIN_EVERY_S:
            self.shown_s = now
            print(self.line(), file=self.stream, flush=True)


_running: list[Progress] = []
"""The works whose progress is shown now; the innermost is the last."""


def note_progress(waits: str | None) -> bool:
    """Say in the progress line of what is running what it waits for; None once it goes on.

    For who stands far from the one that counts the steps: a store that waits for room.

    Returns:
        Whether there was a line to say it in.
    """
    for progress in _running[-1:]:
        progress.waits = waits
        progress.show()
    return bool(_running)


class ShowsProgress(Protocol):
    """Shows the progress of one piece of work; `show_progress` is one, and `show_together` gives another."""

    def __call__(
        self, what: str, total: int, *, unit: str = "chunks", counted: str = "problems", quiet: bool = False
    ) -> AbstractContextManager[Progress]:
        """See `show_progress`."""
        ...


@contextlib.contextmanager
def show_progress(
    what: str, total: int, *, unit: str = "chunks", counted: str = "problems", quiet: bool = False
) -> Iterator[Progress]:
    """Show the progress of some work on standard error.

    Args:
        what: the name of the work.
        total: steps to do.
        unit: what a step is called, in the plural.
        counted: what the smaller things are called, by which the speed is given.
        quiet: show nothing.

    Yields:
        What to call `advance` on.
    """
    if quiet or not total:
        with _running_now(Progress(what, total, unit, counted)) as progress:
            yield progress
    elif not sys.stderr.isatty():
        with _running_now(_PlainProgress(what, total, unit, counted)) as progress:
            yield progress
    else:
        with _show_bar(what, total, unit, counted) as bar, _running_now(bar) as progress:
            yield progress


@contextlib.contextmanager
def _running_now(progress: Progress) -> Iterator[Progress]:
    _running.append(progress)
    try:
        yield progress
    finally:
        _running[:] = [one for one in _running if one is not progress]  # works side by side end in any order


@contextlib.contextmanager
def show_together() -> Iterator[ShowsProgress]:
    """Show works that go on side by side, from any thread, as lines of one display.

    Yields:
        What to call in place of `show_progress`.
    """
    if not sys.stderr.isatty():
        yield show_progress
        return
    with _open_bars() as bars:

        @contextlib.contextmanager
        def show(
            what: str, total: int, *, unit: str = "chunks", counted: str = "problems", quiet: bool = False
        ) -> Iterator[Progress]:
            yield Progress(what, total, unit, counted) if quiet else _add_bar(bars, what, total, unit, counted)

        yield show


@contextlib.contextmanager
def _show_bar(what: str, total: int, unit: str, counted: str) -> Iterator[Progress]:
    with _open_bars() as bars:
        yield _add_bar(bars, what, total, unit, counted)


def _open_bars() -> "Bars":
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _add_bar(bars: "Bars", what: str, total: int, unit: str, counted: str) -> Progress:
    from rich.markup import escape  # noqa: PLC0415 - only a terminal pays for it

    task_id = bars.add_task(what, total=total, note=unit)

    class _BarProgress(Progress):
        def show(self) -> None:
            speed = self.count / max(time.monotonic() - self.started_s, 1e-9)
            note = f"{unit}, {speed:,.1f} {counted}/s" + (f", [red]{self.failed} failed[/]" if self.failed else "")
            note += f", {escape(self.note)}" if self.note else ""
            note += f"; [yellow]{escape(self.waits)}[/]" if self.waits else ""
            bars.update(task_id, completed=self.done, note=note)

    return _BarProgress(what, total, unit, counted)


def format_seconds(seconds: float) -> str:
    """Return a duration for people: ``0.8 s``, ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
