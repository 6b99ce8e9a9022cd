"""How the uploader shows itself: a live line on a terminal, plain lines in a pipe, JSON lines for machines."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

import msgspec

from gpu_workers.spool.daemon import Look, Tell
from mycelium.progress import PLAIN_EVERY_S


def describe(look: Look) -> str:
    """Return how the uploader stands, as one line for people."""
    counts = look.counts
    slow = f" (cap {look.cap / 1e6:,.0f}: slow link)" if look.cap < look.budget else ""
    parts = [
        f"upload: {counts.files:,} chunks, {counts.bytes / 1e6:,.0f} MB",
        f"{look.rate / 1e6:,.1f} MB/s",
        f"spool {look.level.bytes / 1e6:,.0f}/{look.budget / 1e6:,.0f} MB{slow}",
        f"{look.waiting} waiting",
        f"{counts.retries} retries",
    ]
    kept = {"conflicts": counts.conflicts, "refused": counts.refused}
    parts += [f"{count} {name}" for name, count in kept.items() if count]
    return ", ".join(parts)


class JsonTell:
    """One JSON object a line: ``{"kind": "level", …}`` about once a second, and an object for each event."""

    def __init__(self, stream: TextIO) -> None:
        """Take a stream."""
        self._stream = stream

    def look(self, look: Look) -> None:
        """See `Tell.look`."""
        counts = look.counts
        self._say(
            {
                "kind": "level",
                "time": round(time.time(), 3),
                "files": counts.files,
                "bytes": counts.bytes,
                "mb_per_s": round(look.rate / 1e6, 3),
                "spool_bytes": look.level.bytes,
                "kept_bytes": look.level.kept,
                "budget_bytes": look.budget,
                "cap_bytes": look.cap,
                "waiting": look.waiting,
                "in_flight": look.in_flight,
                "retries": counts.retries,
                "found": counts.found,
                "conflicts": counts.conflicts,
                "refused": counts.refused,
            }
        )

    def event(self, kind: str, line: str) -> None:
        """See `Tell.event`."""
        self._say({"kind": kind, "time": round(time.time(), 3), "line": line})

    def _say(self, fact: dict[str, object]) -> None:
        print(msgspec.json.encode(fact).decode(), file=self._stream, flush=True)


class PlainTell:
    """Plain lines on standard error; of retries, only their number."""

    def __init__(self, stream: TextIO) -> None:
        """Take a stream."""
        self._stream, self._shown_s = stream, float("-inf")

    def look(self, look: Look) -> None:
        """See `Tell.look`."""
        if look.last or time.monotonic() - self._shown_s >= PLAIN_EVERY_S:
            self._shown_s = time.monotonic()
            print(describe(look), file=self._stream, flush=True)

    def event(self, kind: str, line: str) -> None:
        """See `Tell.event`."""
        if kind != "retry":
            print(f"{kind}: {line}", file=self._stream, flush=True)


@contextlib.contextmanager
def telling(*, as_json: bool = False) -> Iterator[Tell]:
    """Choose how to show it: JSON on standard output, or for people on standard error."""
    if as_json:
        yield JsonTell(sys.stdout)
    elif not sys.stderr.isatty():
        yield PlainTell(sys.stderr)
    else:
        with _showing_bar() as tell:
            yield tell


@contextlib.contextmanager
def _showing_bar() -> Iterator[Tell]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("spool"), BarColumn(bar_width=20), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task_id = bar.add_task("", total=1)

        class _BarTell:
            def look(self, look: Look) -> None:
                """Show the spool's level as a bar, and the counters beside it."""
                bar.update(task_id, total=look.budget, completed=look.level.bytes, description=describe(look))

            def event(self, kind: str, line: str) -> None:
                """Print above the bar."""
                if kind != "retry":
                    bar.console.print(f"{kind}: {escape(line)}", highlight=False)

        yield _BarTell()
