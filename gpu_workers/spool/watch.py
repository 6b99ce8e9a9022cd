"""Being woken by the file system when a chunk is finished."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from watchdog.events import DirCreatedEvent, DirMovedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEventHandler
from watchdog.observers import Observer


class _Waker(FileSystemEventHandler):
    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def on_created(self, event: DirCreatedEvent | FileCreatedEvent) -> None:
        """See watchdog; a file renamed from outside of what is watched is created, there."""
        del event
        self._wake()

    def on_moved(self, event: DirMovedEvent | FileMovedEvent) -> None:
        """See watchdog."""
        del event
        self._wake()


@contextlib.contextmanager
def waking(folder: Path, wake: Callable[[], None]) -> Iterator[bool]:
    """Call something, from another thread, whenever a file comes into a folder.

    Yields:
        Whether the file system can tell; where it can't (some network file systems, or no watches left), whoever waits
        looks now and then, as it does anyway.
    """
    # It warns, on standard error, of every event that comes while it is being stopped.
    logging.getLogger("watchdog").addHandler(logging.NullHandler())
    observer = Observer()
    try:
        observer.schedule(_Waker(wake), str(folder), event_filter=[FileCreatedEvent, FileMovedEvent])
        observer.start()
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        observer.stop()
        observer.join()
