"""A crew without threads, sockets or time: answers come when a script says so, by a clock that the script turns."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from coordinator.executors.backup import BackupRule, Backups
from coordinator.executors.fan_out import Attempt, FanOut
from coordinator.executors.retry import Failure

T = TypeVar("T")

Take = Callable[[T, int], tuple[float, Failure | None]]
"""An item and how often it was called, from 1, to how long that call takes, and how it fails."""


class ScriptedCrew(Generic[T]):
    """Answers by a script.

    Attributes:
        now_s: the time.
        calls: when each call of each item began.
        most: the most that were ever in flight.
        dropped: calls that were dropped.
    """

    def __init__(self, take: Take[T]) -> None:
        self.now_s = 0.0
        self.calls: list[tuple[T, float]] = []
        self.most = 0
        self.dropped = 0
        self._take = take
        self._nth: Counter[T] = Counter()
        self._order = itertools.count()
        self._coming: list[tuple[float, int, Attempt[T, Failure | None], Failure | None]] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    @property
    def n_flying(self) -> int:
        return len(self._coming)

    def start(self, attempt: Attempt[T, Failure | None], in_flight: int) -> None:
        item = attempt.call.item
        self._nth[item] += 1
        self.calls.append((item, self.now_s))
        takes_s, answer = self._take(item, self._nth[item])
        heapq.heappush(self._coming, (self.now_s + takes_s, next(self._order), attempt, answer))
        self.most = max(self.most, self.n_flying)
        assert self.n_flying == in_flight

    def wait(self, timeout_s: float | None) -> tuple[Attempt[T, Failure | None], Failure | None] | None:
        assert self._coming, "nothing is in flight, and it would wait forever"
        if timeout_s is not None and self._coming[0][0] > self.now_s + timeout_s:
            self.now_s += timeout_s
            return None
        self.now_s, _, attempt, answer = heapq.heappop(self._coming)
        return attempt, answer

    def drop(self, attempt: Attempt[T, Failure | None]) -> None:
        (one,) = [coming for coming in self._coming if coming[2] is attempt]
        self._coming.remove(one)
        heapq.heapify(self._coming)
        self.dropped += 1

    def dismiss(self) -> None:
        self._coming.clear()

    def fan_out(
        self, at_once: int, rule: BackupRule | None = None, draw: Callable[[], float] = lambda: 1.0
    ) -> tuple[FanOut[T, Failure | None], Backups]:
        """Return a fan-out over this crew, by its clock, and the count of its backups."""
        backups = Backups(rule)
        made = FanOut(
            self, lambda answer: answer, at_once, backups=backups, clock=self.clock, sleep=self.sleep, draw=draw
        )
        return made, backups
