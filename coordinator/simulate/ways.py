"""The ways that a run can go, each simulated: `lambda`, `step-functions`, over larger chunks."""

import math
from dataclasses import dataclass, replace

from coordinator.cost.usage import Usage
from coordinator.simulate.events import Simulated, simulate
from coordinator.simulate.limits import Limits
from coordinator.simulate.work import Work
from mycelium.reduce import MANY_PARTS, STORED_FAN_IN

FACTORS = (1, 10, 100)
"""How many chunks are made one of."""

LONG_S = 3600.0
"""A run of more than this is not to hang on a laptop."""

BUSY = 0.8
"""A limit that alone makes so much of the wall time is what bounds a run."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a run, and what would become of it.

    Attributes:
        executor: ``lambda`` or ``step-functions``.
        factor: how many of the chunks are made one of.
        run: its map, simulated.
        wall_s: the whole: the map, the reduce, and what the coordinator does until it knows.
        sequential_s: what the same tasks take one after the other.
        puts_s: PUTs of outputs that are asked of the store in a second, on the average of the map.
        requests: invocations, those of the reduce included.
        usage: what AWS bills for all that.
    """

    executor: str
    factor: int
    run: Simulated
    wall_s: float
    sequential_s: float
    puts_s: float
    requests: int
    usage: Usage


def try_lambda(work: Work, n_chunks: int, limits: Limits, factor: int = 1, seed: int = 0) -> Way:
    """Simulate `--executor lambda`: the map, then the reduce of stored parts level by level."""
    n_tasks = -(-n_chunks // factor)
    done = _with_parts(work.enlarged(factor, seed), n_tasks)
    run = simulate(done, n_tasks, limits, seed)
    reduce_s, n_reduces = reduce_parts(n_tasks, limits)
    return _conclude("lambda", factor, done, run, run.wall_s + reduce_s, (n_tasks + n_reduces, 0))


def try_step_functions(work: Work, n_chunks: int, limits: Limits, factor: int = 1, seed: int = 0) -> Way:
    """Simulate `--executor step-functions`: the map starts its children, and the coordinator looks now and then.

    What has landed between two looks is adopted by functions while the map goes on; what landed before the last look is
    adopted when it has ended.
    """
    n_tasks = -(-n_chunks // factor)
    enlarged = work.enlarged(factor, seed)
    pace_s = limits.transitions_each / limits.transitions_per_s
    at_once = min(limits.concurrency, limits.map_concurrency)
    run = simulate(
        enlarged, n_tasks, replace(limits, dispatch_s=pace_s, open_s=0.0, land_s=0.0, concurrency=at_once), seed
    )
    poll_s = min(limits.poll_s, run.wall_s / 2)
    n_last = min(n_tasks, math.ceil(n_tasks * poll_s / run.wall_s)) if run.wall_s else n_tasks
    adopted = simulate(Work((limits.round_trip_s,), work.init_s, 1.0, 1.0), n_last, limits, seed)
    # All are adopted at the coordinator's pace, and the last of them after the map has ended.
    behind_s = max(0.0, n_tasks * (limits.dispatch_s + limits.land_s) - run.wall_s)
    reduce_s, n_reduces = reduce_parts(n_tasks, limits)
    wall_s = run.wall_s + poll_s / 2 + max(adopted.wall_s, behind_s) + reduce_s
    steps = (2 * n_tasks + n_reduces, n_tasks * limits.transitions_each)
    return _conclude("step-functions", factor, enlarged, run, wall_s, steps)


def reduce_parts(n_parts: int, limits: Limits) -> tuple[float, int]:
    """Return how long the reduce of stored parts takes after the map, and how many invocations it is.

    A run of few parts reduces them as they come. A group's parts are fetched one after the other, a round trip each.
    """
    wall_s, n_reduces = 0.0, 0
    while n_parts > MANY_PARTS or (n_reduces and n_parts > 1):
        n_groups = -(-n_parts // STORED_FAN_IN)
        group = Work((STORED_FAN_IN * limits.round_trip_s,), (0.0,), float(STORED_FAN_IN), 0.0)
        wall_s += simulate(group, n_groups, limits).wall_s
        n_parts, n_reduces = n_groups, n_reduces + n_groups
    return wall_s, n_reduces


def advise(ways: list[Way], limits: Limits) -> str:
    """Say in one sentence which way to take.

    The fastest way is taken, unless another is a tenth slower and simpler: `lambda` before `step-functions`, the chunks
    as they are before larger ones. A run of hours is for the state machine, which needs no laptop.
    """
    whole = [way for way in ways if not way.run.timeouts] or ways
    best = min(whole, key=lambda way: way.wall_s)
    near = [way for way in whole if way.wall_s <= 1.1 * best.wall_s]
    simple = min(near, key=lambda way: (way.factor, way.executor != "lambda"))
    if simple.executor == "lambda" and simple.wall_s > LONG_S:
        simple = next((way for way in near if way.executor == "step-functions"), simple)
    bound = (
        simple.run.bound_by if simple.run.bounds[simple.run.bound_by] >= BUSY * simple.run.wall_s else "several limits"
    )
    larger = "" if simple.factor == 1 else f", chunks {simple.factor} times as large"
    n_prefixes = prefixes_needed(ways, limits)
    spread = "one prefix" if n_prefixes == 1 else f"{n_prefixes} prefixes"
    return f"{simple.executor}{larger}; bound by {bound}; {spread}"


def prefixes_needed(ways: list[Way], limits: Limits) -> int:
    """Return over how many prefixes keys are to be spread so that no PUT of the fastest way waits."""
    fastest = min(ways, key=lambda way: way.wall_s)
    if fastest.run.bounds["PUTs"] < BUSY * fastest.run.wall_s:
        return 1
    free = {name: value for name, value in fastest.run.bounds.items() if name not in {"PUTs", "GETs"}}
    return max(1, math.ceil(fastest.run.bounds["PUTs"] * limits.n_prefixes / max(free.values())))


def _with_parts(work: Work, n_tasks: int) -> Work:
    """Let each task write its part to the store, as the tasks of large runs do."""
    return replace(work, parts=1.0) if n_tasks > MANY_PARTS else work


def _conclude(executor: str, factor: int, work: Work, run: Simulated, wall_s: float, steps: tuple[int, int]) -> Way:
    """Put a way together; `steps` are its invocations and its transitions."""
    requests, transitions = steps
    puts_s = run.n_tasks * work.puts / run.wall_s if run.wall_s else 0.0
    # What a reduce reads is what the map's tasks have put there; its own seconds are few, and not counted.
    usage = Usage(
        gb_s=(run.task_s + run.init_s) * work.memory_mb / 1024,
        lambda_requests=requests,
        s3_gets=run.n_tasks * work.gets + (requests - run.n_tasks if run.n_tasks <= MANY_PARTS else run.n_tasks),
        s3_puts=run.n_tasks * (work.puts + work.parts),
        transitions=transitions,
    )
    return Way(executor, factor, run, wall_s, run.task_s, puts_s, requests, usage)
