"""Progress of long work: a live view on a terminal, a plain line now and then where the output is piped."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from mycelium.progress.state import PLAIN_EVERY_S, PlainProgress, Progress, Traffic, format_seconds

__all__ = [
    "PLAIN_EVERY_S",
    "Progress",
    "ShowsProgress",
    "Traffic",
    "format_seconds",
    "note_progress",
    "show_progress",
    "show_together",
]

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
    elif not _is_live():
        with _running_now(PlainProgress(what, total, unit, counted)) as progress:
            yield progress
    else:
        with show_together() as show, show(what, total, unit=unit, counted=counted) as progress:
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
    if not _is_live():
        yield show_progress
        return
    from mycelium.progress.live import open_view  # noqa: PLC0415 - only a terminal pays for it

    with open_view() as view:

        @contextlib.contextmanager
        def show(
            what: str, total: int, *, unit: str = "chunks", counted: str = "problems", quiet: bool = False
        ) -> Iterator[Progress]:
            with _running_now(Progress(what, total, unit, counted)) as progress:
                if not quiet:
                    view.works.append(progress)
                yield progress

        yield show


def _is_live() -> bool:
    if not sys.stderr.isatty():
        return False
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it

    from mycelium.progress.live import is_live  # noqa: PLC0415 - as above

    return is_live(Console(stderr=True))
