"""How a piece of work stands, and one line that says so."""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from mycelium.printable import make_printable

PLAIN_EVERY_S = 5.0

MAX_KINDS = 3
"""Kinds of failure that are named, the commonest first."""


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
    """What has been done so far; shown by a subclass, or by who looks at it.

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
        started_s: when it began, by the clock that never goes back.
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
        speed = f", {self.count / elapsed:,.1f} {self.counted}/s" if self.count else ""
        failed, tried, note = (
            f", {said}" if said else "" for said in (self.describe_failures(), self.describe_traffic(), self.note)
        )
        waits = f"; {self.waits}" if self.waits else ""
        return f"{self.what}: {self.done}/{self.total} {self.unit}{failed}{speed}{tried}{note}, {left} left{waits}"

    def describe_failures(self) -> str:
        """Return how much failed, the commonest kinds first, ``3 failed (2 StoreError, 1 KeyError)``; empty if none."""
        if not self.failed:
            return ""
        kinds = [f"{count} {kind}" for kind, count in self.failures.most_common(MAX_KINDS)]
        others = len(self.failures) - len(kinds)
        kinds += [f"{others} other kinds"] if others else []
        return f"{self.failed} failed" + (f" ({', '.join(kinds)})" if kinds else "")

    def describe_traffic(self) -> str:
        """Return how often was tried again, ``5 retries (3 throttled)``; empty if never."""
        traffic = self.traffic
        throttled = f" ({traffic.throttled} throttled)" if traffic.throttled else ""
        return f"{traffic.retries} retries{throttled}" if traffic.retries else ""


@dataclass(slots=True)
class PlainProgress(Progress):
    """Shows itself as a plain line now and then, and at the end."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    shown_s: float = 0.0

    def show(self) -> None:
        """Print a line, if the last one is some time ago."""
        now = time.monotonic()
        if self.done == self.total or now - self.shown_s >= PLAIN_EVERY_S:
            self.shown_s = now
            print(make_printable(self.line()), file=self.stream, flush=True)


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
