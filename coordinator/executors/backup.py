"""When a call that takes long is made a second time: a pure decision over start times, durations and now.

Some invocations take many times as long as their like, for nothing that is in their chunk: a machine with a failing
disk, a noisy neighbour, an answer that was lost on the way. The run then waits for one. A *backup* is a second call for
the same item, beside the first; the first answer wins, and the other is dropped. It is safe because outputs are written
whole and once, and parts and answers are the same bytes whoever makes them.

The rule, for a call that began at `s`, at time `t`, with `n` items of which `d` are done:

    late      t >= s + max(f · m, m + g)       f = 2, g = 0.5 s
    m         the median duration of all n; those not done yet count as longer than any that is
    begin     nothing waits to be started, and d >= 3/4 · n
    bound     at most n / 10 backups in all, and one for each item; the longest running first

Source: Dean and Ghemawat, MapReduce (OSDI 2004), section 3.6: backups when a run is close to its end, a few per cent
more work. Cubed (`runtime/backup.py`) has the order statistic over all tasks, so that a median of the quick ones alone
is not taken for that of all; half of them done, and three times its length. LATE (Zaharia et al., OSDI 2008) bounds the
backups, to a tenth, and gives none while a task waits for its first start. LATE's estimate of the time left needs
progress from inside a task, which nobody has here: the longest running stands for it. What was chosen: f = 2, so that
a run whose one straggler is late ends within f + 1 medians; g, since a request is not worth less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")

WINDOW = 1000
"""Durations that are remembered, the latest: a run of a million needs no more to know what is usual."""


@dataclass(frozen=True, slots=True)
class BackupRule:
    """When a call is late, and how many of them get a backup.

    Attributes:
        slow_factor: how many medians a call may take.
        min_late_s: how much longer than the median it takes at least, seconds.
        done_share: the share of the items that are done before any is called late, 1/2 to 1.
        max_share: backups as a share of the items, at most.
    """

    slow_factor: float = 2.0
    min_late_s: float = 0.5
    done_share: float = 0.75
    max_share: float = 0.1

    def __post_init__(self) -> None:
        """Hold the share to where the median is known.

        Raises:
            ValueError: it is less than a half.
        """
        if not 0.5 <= self.done_share <= 1.0:
            raise ValueError(f"the median is known once half are done: done_share is 0.5 to 1, got {self.done_share}")

    def most(self, n_items: int) -> int:
        """Return how many backups a run of so many items may have; none if it has fewer than ten."""
        return int(self.max_share * n_items)


BACKUPS = BackupRule()
"""The rule that `--backups` stands for."""


@dataclass(slots=True)
class Backups:
    """Whether there are backups, and how many there were so far.

    Attributes:
        rule: when there is one; None for never.
        started: backups that were started.
        won: those that answered first.
    """

    rule: BackupRule | None = None
    started: int = 0
    won: int = 0


@dataclass(frozen=True, slots=True)
class Standing(Generic[K]):
    """How a run stands, as far as the rule cares; nothing waits to be started for the first time.

    Attributes:
        running_s: when each call in flight that has had no backup began, by the clock that is asked.
        done_s: how long each item that is done took, seconds; of very many, the latest.
        n_items: items of the run.
        n_open: those that are not done: in flight, or waiting to be called again.
        n_backups: backups so far.
    """

    running_s: Mapping[K, float]
    done_s: Sequence[float]
    n_items: int
    n_open: int
    n_backups: int


def late_after_s(rule: BackupRule, standing: Standing[K]) -> float | None:
    """Return how long a call may take before it is late; None while too few are done to say."""
    n = len(standing.done_s) + standing.n_open
    if not standing.done_s or len(standing.done_s) < rule.done_share * n:
        return None
    median = sorted(standing.done_s)[(n + 1) // 2 - 1]
    return max(rule.slow_factor * median, median + rule.min_late_s)


def choose_backups(rule: BackupRule, standing: Standing[K], now_s: float) -> list[K]:
    """Return which of the running calls get a backup now, the longest running first."""
    late_s = late_after_s(rule, standing)
    if late_s is None:
        return []
    late = [key for key, start_s in standing.running_s.items() if now_s >= start_s + late_s]
    late.sort(key=standing.running_s.__getitem__)
    return late[: max(0, rule.most(standing.n_items) - standing.n_backups)]


def next_look_s(rule: BackupRule, standing: Standing[K]) -> float | None:
    """Return when, if nothing is done until then, a call may be late; None if none ever will."""
    late_s = late_after_s(rule, standing)
    if late_s is None or not standing.running_s or standing.n_backups >= rule.most(standing.n_items):
        return None
    return min(standing.running_s.values()) + late_s
