"""Watches how much memory the children hold, all of them from one thread.

Lambda ends a function that exceeds its memory size. RLIMIT_AS would be the cheap way, but it counts address
space, of which NumPy's threads alone reserve more than a small function has. So the resident set is sampled,
and because Linux also keeps its high-water mark, a peak between two samples is seen at the next one.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_KIB: Final = 1024
_MIN_INTERVAL_S: Final = 0.05
# With many children at work the samples grow rarer, so that watching costs a few percent of one core at most.
_INTERVAL_PER_CHILD_S: Final = 0.001


def peak_rss_bytes(pid: int) -> int:
    """The most memory the process ever held at once, and what its descendants hold now.

    Returns:
        Bytes; 0 when the process is gone, or where there is no /proc.
    """
    total = _status_bytes(pid, "VmHWM")
    pending = _children(pid)
    # Bounded: a process has one parent, so the walk meets each once.
    while pending:
        child = pending.pop()
        total += _status_bytes(child, "VmRSS")
        pending += _children(child)
    return total


def _status_bytes(pid: int, field: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    _, found, rest = status.partition(f"\n{field}:")
    return int(rest.split(None, 1)[0]) * _KIB if found else 0


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    except OSError:
        return found
    return found


class Watched:
    """One child under watch.

    Attributes:
        pid: Its process id.
        limit_bytes: What it may hold.
        peak_bytes: The most it was seen to hold.
    """

    def __init__(self, pid: int, limit_bytes: int, on_exceeded: Callable[[], None]) -> None:
        self.pid = pid
        self.limit_bytes = limit_bytes
        self.peak_bytes = 0
        self._on_exceeded = on_exceeded
        self._exceeded = False

    def sample(self) -> bool:
        """Looks once.

        Returns:
            Whether the child holds, or held, more than it may.
        """
        self.peak_bytes = max(self.peak_bytes, peak_rss_bytes(self.pid))
        if self.peak_bytes > self.limit_bytes and not self._exceeded:
            self._exceeded = True
            self._on_exceeded()
        return self._exceeded


class MemoryWatch:
    """Samples every child that is at work, from one thread that ends when none is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: set[Watched] = set()
        self._thread: threading.Thread | None = None

    def add(self, watched: Watched) -> None:
        """Starts to watch."""
        with self._lock:
            self._watched.add(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lambda-memory-watch", daemon=True)
                self._thread.start()

    def remove(self, watched: Watched) -> None:
        """Stops watching; the peak stays readable."""
        with self._lock:
            self._watched.discard(watched)

    def _run(self) -> None:
        # Ends when nothing is left to watch; `add` starts it anew.
        while True:
            with self._lock:
                watched = list(self._watched)
                if not watched:
                    self._thread = None
                    return
            for one in watched:
                one.sample()
            time.sleep(max(_MIN_INTERVAL_S, _INTERVAL_PER_CHILD_S * len(watched)))


MEMORY_WATCH: Final = MemoryWatch()
