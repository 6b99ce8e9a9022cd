"""What the uploader counts, how fast its link is, and how much the spool may hold at that speed."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 20.0
"""The link's speed is that of so many seconds of sending."""

_TRUSTED_S = 4.0
_SHARE = 0.9
"""Of what the link carries until the deadline, so much is counted on."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What has been done so far.

    Attributes:
        files: chunks confirmed.
        bytes: their bytes.
        found: of the chunks, those that S3 held before.
        retries: attempts that failed and are made again.
        conflicts: chunks of which S3 holds another version.
        refused: files that are no chunks, or are damaged.
    """

    files: int = 0
    bytes: int = 0
    found: int = 0
    retries: int = 0
    conflicts: int = 0
    refused: int = 0


class Meter:
    """Counters and the link's speed; safe between threads.

    Speed is bytes sent over the seconds in which something was being sent, of the last `WINDOW_S` such seconds. Bytes
    of an attempt that failed are taken back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin at nothing."""
        self._clock, self._lock = clock, threading.Lock()
        self._counts = dict.fromkeys(Counts.__dataclass_fields__, 0)
        self._sending = 0
        self._since_s = 0.0
        self._slices: deque[list[float]] = deque()  # [seconds of sending, bytes]

    @property
    def counts(self) -> Counts:
        """What has been done so far."""
        with self._lock:
            return Counts(**self._counts)

    def add(self, **counts: int) -> None:
        """Add to the counters, by name."""
        with self._lock:
            for name, count in counts.items():
                self._counts[name] += count

    def begin(self) -> None:
        """Say that an upload begins."""
        with self._lock:
            self._tick()
            self._sending += 1

    def end(self) -> None:
        """Say that an upload has ended, in whatever way."""
        with self._lock:
            self._tick()
            self._sending -= 1

    def sent(self, n_bytes: int) -> None:
        """Say that some bytes went over the link; a negative number takes them back."""
        with self._lock:
            self._tick()
            if self._slices:
                self._slices[-1][1] += n_bytes

    def rate(self) -> float:
        """Return what the link carries, bytes per second; 0 as long as too little was sent to say."""
        with self._lock:
            self._tick()
            seconds = sum(part[0] for part in self._slices)
            return max(0.0, sum(part[1] for part in self._slices)) / seconds if seconds >= _TRUSTED_S else 0.0

    def _tick(self) -> None:
        """Count the time since the last call, if something was being sent in it, in slices of a second."""
        now = self._clock()
        if self._sending:
            if not self._slices or self._slices[-1][0] >= 1.0:
                self._slices.append([0.0, 0.0])
            self._slices[-1][0] += now - self._since_s
            total = sum(part[0] for part in self._slices)
            while len(self._slices) > 1 and total - self._slices[0][0] >= WINDOW_S:
                total -= self._slices.popleft()[0]
        self._since_s = now


def choose_cap(budget: int, rate: float, drain_s: float) -> int:
    """Return how many bytes the spool may hold, so that the link carries them away in time.

    ``min(budget, 0.9 · rate · drain_s)``; the budget as long as the rate is not known, or if there is no deadline. One
    chunk is let in whatever the cap, so that a slow link slows the work and never stops it.

    Args:
        budget: bytes, at most.
        rate: bytes per second; 0 for not known.
        drain_s: the deadline; 0 for none.
    """
    if not rate or not drain_s:
        return budget
    return min(budget, int(_SHARE * rate * drain_s))
