"""The simulation: tasks that are started, wait, compute, write and end, one event after the other.

A task is dispatched by the one coordinator when there is room in flight and an environment for it, an idle one or one
that may be started; it reads, computes for a time drawn from the work, writes, and its answer travels back. Reads and
writes wait where the prefix takes no more of them; parts have a prefix of their own. The coordinator is one thread, and
does one thing at a time: it sends a task, takes part in opening a connection, reads an answer; what has come meanwhile
goes before the next task to send. So does the other side, where it has one processor. Nothing here reads a clock, and
the same seed gives the same run.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.simulate.limits import Limits
from coordinator.simulate.work import Work

_KNOCKED, _SHAKEN, _ASKED, _COMPUTED, _ANSWERED = range(5)
"""What becomes of a task after it was sent: its connection is to be accepted, then it is; the task is heard, computed,
answered."""


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

    def ready_at(self, now_s: float) -> float:
        """Return when one that came now would be through; none comes."""
        return max(now_s, max(self._free_s, now_s - self._slack_s) + self._each_s)

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
    run = _Run(durations, work, limits, random.Random(seed))  # noqa: S311 - a simulation
    while run.n_ended < len(durations):
        run.step()
    run.sums.wall_s = run.free_s
    return _conclude(run.sums, work, len(durations), limits)


class _Run:
    """A simulated run under way; `free_s` is from when on the coordinator has nothing in hand."""

    def __init__(self, durations: Sequence[float], work: Work, limits: Limits, rng: random.Random) -> None:
        self._durations, self._work, self._limits, self._rng = durations, work, limits, rng
        self._starts = Gate(limits.starts_per_s, limits.burst)
        self._gets = Gate(limits.gets_per_s * limits.n_prefixes)
        self._puts, self._parts = (Gate(limits.puts_per_s * limits.n_prefixes) for _ in range(2))
        self._events: list[tuple[float, int, int]] = []
        self._begun = self._in_flight = self._idle = self.n_ended = 0
        self.sums = _Sums()
        self.free_s = self._far_free_s = 0.0

    def step(self) -> None:
        """Send a task, or let what comes next happen if it comes before that."""
        if self._begun < len(self._durations) and self._in_flight < self._limits.concurrency:
            at_s = self.free_s if self._idle else max(self.free_s, self._starts.ready_at(self.free_s))
            if not (self._events and self._events[0][0] <= at_s):
                self._send(at_s)
                return
        self._happen(*heapq.heappop(self._events))

    def _send(self, at_s: float) -> None:
        limits, task = self._limits, self._begun
        took_s = min(self._durations[task], limits.timeout_s)
        self.sums.timeouts += self._durations[task] > limits.timeout_s
        self.sums.task_s += took_s
        self.sums.longest_s = max(self.sums.longest_s, took_s)
        self._begun, self._in_flight = task + 1, self._in_flight + 1
        self.sums.most_at_once = max(self.sums.most_at_once, self._in_flight)
        self.free_s = at_s + limits.dispatch_s
        if self._idle:  # an environment that waits, and a connection
            self._idle -= 1
            self._push(self.free_s, _ASKED, task)
        else:
            init_s = self._rng.choice(self._work.init_s)
            self.sums.cold_starts += 1
            self.sums.init_s += init_s
            self._push(self._starts.pass_at(at_s) + limits.dispatch_s + init_s, _KNOCKED, task)

    def _happen(self, now_s: float, kind: int, task: int) -> None:
        limits = self._limits
        if kind == _KNOCKED:
            self._push(self._far(now_s, limits.accept_s), _SHAKEN, task)
        elif kind == _SHAKEN:
            self.free_s = max(now_s, self.free_s) + limits.open_s
            self._push(self.free_s, _ASKED, task)
        elif kind == _ASKED:
            heard_s = self._far(now_s, limits.answer_s / 2)
            took_s = min(self._durations[task], limits.timeout_s)
            self._push(self._gets.pass_at(heard_s, self._work.gets) + took_s, _COMPUTED, task)
        elif kind == _COMPUTED:
            said_s = self._far(now_s, limits.answer_s / 2)
            put_s = self._parts.pass_at(self._puts.pass_at(said_s, self._work.puts), self._work.parts)
            self._push(put_s + limits.round_trip_s, _ANSWERED, task)
        else:
            self.free_s = max(now_s, self.free_s) + limits.land_s
            self._in_flight, self._idle, self.n_ended = self._in_flight - 1, self._idle + 1, self.n_ended + 1

    def _far(self, now_s: float, takes_s: float) -> float:
        """Return when the other side is done with something, one after the other."""
        if not takes_s:
            return now_s
        self._far_free_s = max(now_s, self._far_free_s) + takes_s
        return self._far_free_s

    def _push(self, at_s: float, kind: int, task: int) -> None:
        heapq.heappush(self._events, (at_s, kind, task))


def _conclude(sums: _Sums, work: Work, n_tasks: int, limits: Limits) -> Simulated:
    overhead_s = n_tasks * limits.round_trip_s
    bounds = {
        "concurrency": (sums.task_s + sums.init_s + overhead_s) / limits.concurrency,
        "the longest task": sums.longest_s,
        "dispatch": n_tasks * (limits.dispatch_s + limits.land_s) + sums.cold_starts * limits.open_s,
        "PUTs": n_tasks * max(work.puts, work.parts) / (limits.puts_per_s * limits.n_prefixes),
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
