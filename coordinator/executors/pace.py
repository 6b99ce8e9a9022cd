"""How many tasks go together, and when worker processes pay: decisions over measured seconds, and nothing else.

Handing one task to another process and its result back costs about a tenth of a millisecond of the coordinator,
whatever the task does; a batch costs little more. So tiny tasks go in batches of `BATCH_S` of work. The last batches
are small, so that all workers end together.

The first workers cost `START_S` of a core, and in return W seconds of work are shared by n of them, where this process
alone has one thread. So they pay where W − W/n is more than `START_S`.
"""

import math
from dataclasses import dataclass

BATCH_S = 0.02
"""Work in one batch: 0.1 ms of handing over are lost in it, and nobody sees the progress halt for it."""

MAX_BATCH = 256
"""Tasks in one batch, however short they are: what a dead worker has to give back, and what one message holds."""

SHARES = 2
"""A batch is at most one worker's share of what is left, cut into so many pieces."""

START_S = 0.25
"""What starting the first workers takes: an interpreter, NumPy, Arrow and the stage. Measured: 0.22 s."""

TINY_S = 0.002
"""A task that is shorter than this is mostly Python, and bookkeeping, which is Python, too: two threads of one process
would only wait for one another. Measured: a no-op of a run of 5,850 takes 0.067 ms in two threads, 0.041 in one."""

MIN_WEIGHT = 0.05
"""Weight of the newest task in the pace, so that it follows a run whose chunks change."""


@dataclass(slots=True)
class Pace:
    """How long the tasks of a run take, as far as they are done.

    Attributes:
        task_s: seconds of a task, the later ones counting for more; None before the first.
        n_seen: tasks that were measured.
    """

    task_s: float | None = None
    n_seen: int = 0

    def add(self, wall_s: float) -> None:
        """Take the seconds of one more task. The first pays for late imports, and gives way to the second."""
        self.n_seen += 1
        if self.task_s is None or self.n_seen == 2:
            self.task_s = wall_s
        else:
            self.task_s += (wall_s - self.task_s) * max(1 / (self.n_seen - 1), MIN_WEIGHT)


def choose_batch(task_s: float | None, n_left: int, n_workers: int) -> int:
    """Return how many tasks go to a worker together.

    Args:
        task_s: seconds of one task; None where none was measured yet, for a batch of one.
        n_left: tasks that nobody has, 1 or more.
        n_workers: workers that they are for.

    Returns:
        1 to `MAX_BATCH`, and never more than are left.
    """
    if task_s is None:
        return 1
    by_share = math.ceil(n_left / (n_workers * SHARES))
    by_time = MAX_BATCH if task_s * MAX_BATCH <= BATCH_S else int(BATCH_S / task_s)
    return max(1, min(by_time, by_share, MAX_BATCH))


def consumer_pays(pace: Pace) -> bool:
    """Return whether who takes the results had better compute the tasks, too, than wait for a thread that does."""
    return pace.task_s is not None and pace.n_seen >= 2 and pace.task_s < TINY_S


def workers_pay(pace: Pace, n_left: int, n_workers: int, spent_s: float = 0.0) -> bool:
    """Return whether worker processes are worth starting, though this process could do the work alone.

    Args:
        pace: of the tasks done here.
        n_left: tasks that nobody has.
        n_workers: how many workers there would be.
        spent_s: seconds of tasks done here in rounds before this one, where more rounds may follow: who has spent a
            start's worth on going without had better start.
    """
    if pace.task_s is None or pace.n_seen < 2 or not n_left or n_workers < 2:
        return False  # one task says too little; one that takes long is not waited for
    work_s = spent_s + pace.task_s * n_left
    return work_s - work_s / n_workers > START_S
