"""The simulation: tasks that are started, wait, compute, write and end, one event after the other.

A task is dispatched by the one coordinator when there is room in flight; it gets an environment, an idle one or one
that has to start; it reads, computes for a time drawn from the work, writes, and its answer travels back. Reads and
writes wait where the prefix takes no more of them. Nothing here reads a clock, and the same seed gives the same run.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.simulate.limits import Limits
from coordinator.simulate.work import Work

_COMPUTED, _ENDED = 0, 1


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of a simulated run.

    Attributes:
        n_tasks: its tasks.
        wall_s: from the first dispatch to the last answer.
        task_s: the sum of the tasks' own times: what one after the other would take.
        init_s: the sum of the starts of environments.
        cold_starts: environments that were started.
        timeouts: tasks that ran into the longest time allowed, and failed.
        most_at_once: tasks in flight at a time, at most.
        bounds: how long each limit alone would make the run, by name.
    """

    n_tasks: int
    wall_s: float
    task_s: float
    init_s: float
    cold_starts: int
    timeouts: int
    most_at_once: int
    bounds: dict[str, float]

    @property
    def bound_by(self) -> str:
        """The limit that alone comes closest to the whole."""
        return max(self.bounds, key=lambda name: self.bounds[name])


class Gate:
    """Lets so many through each second, after a burst; who comes sooner waits. Fluid: a part of one is waited for."""

    def __init__(self, per_s: float, burst: float = 0.0) -> None:
        """Take the rate, and how many may go through at once after a rest."""
        self._each_s, self._slack_s = 1.0 / per_s, burst / per_s
        self._free_s = -self._slack_s

    def pass_at(self, now_s: float, n: float = 1.0) -> float:
        """Return when n that come now are through."""
        self._free_s = max(self._free_s, now_s - self._slack_s) + n * self._each_s
        return max(now_s, self._free_s)


@dataclass(slots=True)
class _Sums:
    task_s: float = 0.0
    init_s: float = 0.0
    longest_s: float = 0.0
    cold_starts: int = 0
    timeouts: int = 0
    most_at_once: int = 0
    wall_s: float = 0.0


def simulate(work: Work, n_tasks: int, limits: Limits, seed: int = 0) -> Simulated:
    """Simulate a run of tasks that are all there at the beginning.

    Args:
        work: how long tasks take; each draws one of these times.
        n_tasks: how many there are, 1 or more.
        limits: what bounds them.
        seed: of the draws.
    """
    rng = random.Random(seed)  # noqa: S311 - a simulation
    return simulate_again(rng.choices(work.task_s, k=n_tasks), work, limits, seed)


def simulate_again(durations: Sequence[float], work: Work, limits: Limits, seed: int = 0) -> Simulated:
    """Simulate a run of tasks whose times are known, in the order in which they are dispatched.

    Args:
        durations: how long each takes; at least one.
        work: what else there is to a task.
        limits: what bounds them.
        seed: of the draws of starts.
    """
    n_tasks, rng = len(durations), random.Random(seed)  # noqa: S311 - a simulation
    starts = Gate(limits.starts_per_s, limits.burst)
    gets = Gate(limits.gets_per_s * limits.n_prefixes)
    puts = Gate(limits.puts_per_s * limits.n_prefixes)
    sums = _Sums()
    events: list[tuple[float, int, int]] = []
    now_s = dispatched_s = room_s = 0.0  # when the last task was dispatched, and since when there is room for the next
    begun = in_flight = idle = n_ended = 0
    while n_ended < n_tasks:
        at_s = max(room_s, dispatched_s) + limits.dispatch_s
        may_begin = begun < n_tasks and in_flight < limits.concurrency
        if may_begin and not (events and events[0][0] < at_s):
            dispatched_s = ready_s = at_s
            if idle:
                idle -= 1
            else:
                init_s = rng.choice(work.init_s)
                ready_s = starts.pass_at(at_s) + init_s
                sums.cold_starts += 1
                sums.init_s += init_s
            took_s = min(durations[begun], limits.timeout_s)
            sums.timeouts += durations[begun] > limits.timeout_s
            sums.task_s += took_s
            sums.longest_s = max(sums.longest_s, took_s)
            heapq.heappush(events, (gets.pass_at(ready_s, work.gets) + took_s, _COMPUTED, begun))
            begun += 1
            in_flight += 1
            sums.most_at_once = max(sums.most_at_once, in_flight)
            continue
        now_s, kind, task = heapq.heappop(events)
        if kind == _COMPUTED:
            heapq.heappush(events, (puts.pass_at(now_s, work.puts) + limits.round_trip_s, _ENDED, task))
            continue
        if in_flight == limits.concurrency:
            room_s = now_s
        in_flight, idle, n_ended = in_flight - 1, idle + 1, n_ended + 1
    sums.wall_s = now_s
    return _conclude(sums, work, n_tasks, limits)


def _conclude(sums: _Sums, work: Work, n_tasks: int, limits: Limits) -> Simulated:
    overhead_s = n_tasks * limits.round_trip_s
    bounds = {
        "concurrency": (sums.task_s + sums.init_s + overhead_s) / limits.concurrency,
        "the longest task": sums.longest_s,
        "dispatch": n_tasks * limits.dispatch_s,
        "PUTs": n_tasks * work.puts / (limits.puts_per_s * limits.n_prefixes),
        "GETs": n_tasks * work.gets / (limits.gets_per_s * limits.n_prefixes),
    }
    return Simulated(
        n_tasks,
        sums.wall_s,
        sums.task_s,
        sums.init_s,
        sums.cold_starts,
        sums.timeouts,
        sums.most_at_once,
        bounds,
    )
