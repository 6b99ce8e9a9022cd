"""One limit for several runs that go on side by side: the stages of a pipeline.

Each run keeps its own count of what a task of its stage may cost (`coordinator.cost.limit`), and all draw on the same
money: what a run may spend is the limit, less what all have spent, less what the others have put by for their tasks
under way. A run that could start more tasks if the others' money were free waits until it is, or until nothing of
theirs is under way; so a pipeline is stopped only where the money is really gone.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from coordinator.cost.limit import CostLimit
from coordinator.cost.tell import format_usd
from mycelium.manifest import Outcome

LOOK_S = 0.5
"""How often a run that waits looks whether it is to stop."""


@dataclass(slots=True, eq=False)
class Share:
    """What one run draws on a limit: a `mycelium.run.Allowance`.

    Attributes:
        of: the limit.
        own: the run's own count.
        stop: set by whoever hears of Ctrl-C; nothing is waited for then.
        put_by: for each of its tasks under way, what it may cost, US dollars.
    """

    of: "SharedLimit"
    own: CostLimit
    stop: threading.Event = field(default_factory=threading.Event)
    put_by: list[float] = field(default_factory=list)

    def take(self, outcome: Outcome) -> None:
        """See `mycelium.run.Allowance.take`."""
        self.of.take(self, outcome)

    def allow(self, n_waiting: int) -> int:
        """See `mycelium.run.Allowance.allow`; may wait for other runs."""
        return self.of.allow(self, n_waiting)

    def describe(self) -> str:
        """Return why no task may be started any more, in words."""
        return (
            f"{format_usd(self.of.spent_usd)} are spent by all stages, one more chunk of this one may cost "
            f"{format_usd(self.own.per_task_usd)}, and --max-cost is {format_usd(self.of.limit_usd)}"
        )


class SharedLimit:
    """What several runs may spend together, from as many threads."""

    def __init__(self, limit_usd: float) -> None:
        """Take the most that they may spend, US dollars."""
        self.limit_usd = limit_usd
        self._shares: list[Share] = []
        self._ended_usd = 0.0
        self._changed = threading.Condition()

    @property
    def spent_usd(self) -> float:
        """What all runs have spent so far, those that have ended included."""
        with self._changed:
            return self._ended_usd + sum(share.own.spent_usd for share in self._shares)

    @contextmanager
    def share(self, own: CostLimit, stop: threading.Event | None = None) -> Iterator[Share]:
        """Let a run draw on the limit for as long as it goes on.

        Args:
            own: the count of that run; its limit is set here.
            stop: set by whoever hears of Ctrl-C; the run waits for no other then.
        """
        share = Share(self, own, stop or threading.Event())
        with self._changed:
            self._shares.append(share)
        try:
            yield share
        finally:  # whatever ended it, what it had put by is free again
            with self._changed:
                self._shares.remove(share)
                self._ended_usd += own.spent_usd
                self._changed.notify_all()

    def take(self, share: Share, outcome: Outcome) -> None:
        """Learn what became of a task of a run."""
        with self._changed:
            share.own.take(outcome)
            if share.put_by:  # for what was found, nothing was
                share.put_by.pop()
            self._changed.notify_all()

    def allow(self, share: Share, n_waiting: int) -> int:
        """Return how many tasks a run may start that has none under way.

        Waits while others have money put by that would let it start more.
        """
        with self._changed:
            share.put_by.clear()
            self._changed.notify_all()
            while (n := self._allow_now(share, n_waiting)) < n_waiting and self._put_by_others(share):
                if share.stop.is_set():
                    break
                self._changed.wait(LOOK_S)
            share.put_by += [share.own.per_task_usd] * n
            return n

    def _allow_now(self, share: Share, n_waiting: int) -> int:
        spent_by_others_usd = self.spent_usd - share.own.spent_usd
        share.own.limit_usd = self.limit_usd - spent_by_others_usd - self._put_by_others(share)
        return share.own.allow(n_waiting)

    def _put_by_others(self, share: Share) -> float:
        return sum(sum(other.put_by) for other in self._shares if other is not share)
