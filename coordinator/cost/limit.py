"""A limit on what a run may cost: how many tasks may be started yet, a pure decision over what became of those before.

**The rule.** Tasks are started only as far as

    spent so far + (tasks under way) · (what one task may cost) <= limit,

where a task may cost as much as the dearest that the stage was seen to take on Lambda, in this run or before it. Before
`ENOUGH` were seen, it may cost two full timeouts of its function: no more is billed for a task that runs out of time
(`coordinator.executors.retry`). So what is under way, its attempts to come included, has its money put by, and a run
that is stopped has nothing in flight: it started as many tasks as it could pay for, waited for all of them, and started
as many again for what they left over, until that bought no further one.

The limit is passed only if the tasks under way turn out dearer on average than the dearest before them. It is a limit
on what one command spends; what earlier ones spent on the same run is not counted, and what is there already is not
paid for again. A cost that the platform does not say, as that of functions which a state machine called, counts as what
one task may cost. A round of a fit, which asks every chunk, is started only if all of it is paid for. What a run costs
beside its tasks, listings and the reduce, is not counted.
"""

from collections.abc import Callable
from dataclasses import dataclass

from coordinator.cost.tell import format_usd
from mycelium.manifest import Outcome

ENOUGH = 20
"""Tasks after which the dearest of them says what another may cost."""


@dataclass(slots=True)
class CostLimit:
    """What a run may spend, and has spent.

    Attributes:
        limit_usd: the most.
        price: what a task cost, in US dollars; None where its platform does not say.
        ceiling_usd: what a task may cost at the very most, as far as anybody can tell before one was seen.
        dearest_usd: the dearest task that was seen.
        n_seen: tasks that were seen.
        spent_usd: what the tasks of this run have cost.
    """

    limit_usd: float
    price: Callable[[Outcome], float | None]
    ceiling_usd: float
    dearest_usd: float = 0.0
    n_seen: int = 0
    spent_usd: float = 0.0

    @property
    def per_task_usd(self) -> float:
        """What one task may cost."""
        return self.dearest_usd if self.n_seen >= ENOUGH else self.ceiling_usd

    def take(self, outcome: Outcome) -> None:
        """Learn what became of a task."""
        usd = self.price(outcome)
        if usd is None:
            self.spent_usd += self.per_task_usd
            return
        self.spent_usd += usd
        if outcome.status != "found":
            self.n_seen += 1
            self.dearest_usd = max(self.dearest_usd, usd)

    def allow(self, n_waiting: int) -> int:
        """Return how many of the tasks that wait may be started now, while none is under way."""
        left_usd = self.limit_usd - self.spent_usd
        if left_usd < 0:
            return 0
        per_task_usd = self.per_task_usd
        if per_task_usd <= 0:
            return n_waiting
        # As many as are surely paid for: a quotient may be rounded up.
        n = min(n_waiting, int(left_usd / per_task_usd))
        return n if self.spent_usd + n * per_task_usd <= self.limit_usd else max(0, n - 1)

    def describe(self) -> str:
        """Return why no task may be started any more, in words."""
        return (
            f"{format_usd(self.spent_usd)} are spent, one more chunk may cost {format_usd(self.per_task_usd)}, "
            f"and --max-cost is {format_usd(self.limit_usd)}"
        )
