"""The live view: how works stand, on a terminal, drawn anew a few times a second.

A work has a line with its bar, and a second one once there is more to say. What does not fit into a narrow terminal is
left out, the least important first; no line is ever wrapped, because what was wrapped could not be drawn over.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from mycelium.printable import make_printable
from mycelium.progress.state import Progress, format_seconds

REFRESHES_PER_S = 5.0
WINDOW_S = 30.0
"""What was done in so long says how fast the work goes on."""

MAX_ENDED = 8
"""Works that have ended and still have a line; a fit may have a hundred rounds."""

_BAR = (10, 40)
_ENDS = "  "


class LiveView:
    """Draws works as lines; rich asks it to, whenever it likes and from its own thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the clock by which speeds are told; the one that the works began by."""
        self.works: list[Progress] = []
        self._clock = clock
        self._seen: dict[int, deque[tuple[float, int]]] = {}
        self._ended_s: dict[int, float] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a line or two for each work that goes on, and a line for each of the last that have ended."""
        works = list(self.works)
        ended = [id(work) for work in works if work.done >= work.total]
        folded = set(ended[: max(0, len(ended) - MAX_ENDED)])
        if folded:
            yield _fit(Text(f"… {len(folded)} more, done", style="dim"), options)
        for work in works:
            if id(work) not in folded:
                yield self._draw_bar(work, console, options)
                if more := _describe_more(work):
                    yield _fit(more, options)

    def _draw_bar(self, work: Progress, console: Console, options: ConsoleOptions) -> Text:
        head = f"{make_printable(work.what)} "
        count = f" {work.done:,}/{work.total:,} {work.unit}"
        room = options.max_width - len(head) - len(count)
        said = ""
        for part in self._describe_speed(work):
            if len(said) + len(part) + len(_ENDS) + _BAR[0] <= room:
                said += f"{_ENDS}{part}"
        line = Text(head)
        width = min(_BAR[1], room - len(said))
        if width >= _BAR[0]:
            filled = min(width, width * work.done // max(work.total, 1))
            plain = options.ascii_only or console.no_color or not console.color_system
            line.append(("#" if options.ascii_only else "━") * filled, "red" if work.failed else "green")
            line.append((" " if plain else "━") * (width - filled), "bright_black")
        line.append(count)
        line.append(said, "cyan")
        return _fit(line, options)

    def _describe_speed(self, work: Progress) -> Iterator[str]:
        """Yield what is to be said beside the bar, the most important first."""
        now = self._clock()
        seen = self._seen.setdefault(id(work), deque([(work.started_s, 0)]))
        if work.done >= work.total:
            elapsed = self._ended_s.setdefault(id(work), now) - work.started_s
            yield f"in {format_seconds(elapsed)}"
        else:
            elapsed = now - work.started_s
            while len(seen) > 1 and now - seen[1][0] >= WINDOW_S:
                seen.popleft()
            seen.append((now, work.done))
            since_s, before = seen[0]
            done = work.done - before
            yield f"{format_seconds((now - since_s) / done * (work.total - work.done))} left" if done else "? left"
        elapsed = max(elapsed, 1e-9)
        if work.unit != "bytes":
            yield f"{work.done / elapsed:,.1f} {work.unit}/s"
        if work.bytes:
            yield f"{work.bytes / elapsed / 1e6:,.1f} MB/s"
        if work.count:
            yield f"{work.count / elapsed:,.1f} {work.counted}/s"


@contextlib.contextmanager
def open_view(console: Console | None = None) -> Iterator[LiveView]:
    """Show a view on a terminal until the block ends, however it does; the last look stays.

    Standard output is left alone: it may be a pipe, with events in it.
    """
    view = LiveView()
    console = console or Console(stderr=True)
    with Live(view, console=console, refresh_per_second=REFRESHES_PER_S, redirect_stdout=False):
        yield view


def is_live(console: Console) -> bool:
    """Return whether a console is a terminal on which something can be drawn over."""
    return console.is_terminal and not console.is_dumb_terminal


def _describe_more(work: Progress) -> Text | None:
    parts = Text("  ")
    flying = work.traffic.in_flight
    for text, style in (
        (work.waits, "yellow"),
        (work.describe_failures(), "red"),
        (f"{flying:,} in flight" if flying else "", ""),
        (work.describe_traffic(), "yellow"),
        (f"{work.usd:.4f} USD" if work.usd else "", ""),
        (work.note, ""),
    ):
        if text:
            parts.append(", " if len(parts) > len(_ENDS) else "")
            parts.append(make_printable(text), style)
    return parts if len(parts) > len(_ENDS) else None


def _fit(line: Text, options: ConsoleOptions) -> Text:
    line.no_wrap, line.overflow, line.end = True, "ellipsis", "\n"
    line.truncate(options.max_width, overflow="ellipsis")
    return line
