"""What a run will take, from how long its stage's tasks took.

A task's seconds are taken to be ``a + b · size``, neither below zero, by least squares over the chunks that were
computed. The total over the tasks to do is drawn anew a few hundred times: runs drawn with replacement, chunks of each
drawn with replacement, the line fitted to them, and the scatter about it added for as many tasks as are to do. The
interval is from the tenth to the ninetieth hundredth of these totals. It knows how much chunks and runs differ from
each other; it does not know that the next machine may be slower than the last, and says where it comes from.

Time that passes:

- here, the tasks' seconds over the workers, and no less than the largest task; beside that what earlier runs took for
  all else, to start their workers above all;
- on Lambda, waves of as many tasks as may be in flight, each as long as a mean task, after the environments have come:
  1,000 at once, and as many more every 10 s. A function that ran nowhere but here is taken to be as fast as a core of
  this machine where it has a processor to itself, at 1,769 MB, and slower in proportion below. Cold starts and the way
  to S3 are not in it then; they are in what Lambda billed.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coordinator.cost.actual import STEP_FUNCTIONS
from coordinator.cost.evidence import Evidence
from coordinator.cost.prices import PriceTable
from coordinator.cost.usage import Cost, Usage
from mycelium.store.base import PAGE_SIZE

N_DRAWS = 400
LOW, HIGH = 10.0, 90.0
"""The interval's ends, in percent."""

MANY = 1000
"""Tasks whose scatter is drawn one by one."""

ONE_CPU_MB = 1769
"""Memory at which a function has one processor to itself."""

BURST = 1000
BURST_S = 10.0
"""Environments that Lambda makes at once for a function, and after how long as many more."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is not known for sure.

    Attributes:
        low: it is below this one time in ten.
        likely: it is as often above as below.
        high: it is above this one time in ten.
    """

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> "Range":
        """Return so many times as much."""
        return Range(self.low * factor, self.likely * factor, self.high * factor)

    def plus(self, more: float) -> "Range":
        """Return so much more."""
        return Range(self.low + more, self.likely + more, self.high + more)

    def at_least(self, least: float) -> "Range":
        """Return the same, with nothing below a bound."""
        return Range(max(self.low, least), max(self.likely, least), max(self.high, least))


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done.

    Attributes:
        sizes: the size of each task, in the evidence's unit.
        n_inputs: runs that are read.
        n_reads: requests by which a task reads its inputs.
        n_outputs: objects that it writes.
        n_chunks: chunks of the run, those that are there already included.
        memory_mb: the memory of its stage's function.
    """

    sizes: Sequence[float]
    n_inputs: int
    n_reads: int
    n_outputs: int
    n_chunks: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What an executor is expected to take for some work.

    Attributes:
        executor: which.
        wall_s: seconds that pass; None if nothing tells.
        usd: US dollars; None if nothing tells.
        likely: the likely dollars by kind; empty if nothing tells.
        source: where the estimate comes from, and what it assumes.
    """

    executor: str
    wall_s: Range | None
    usd: Range | None
    likely: dict[str, float]
    source: str


def predict_seconds(evidence: Evidence, sizes: Sequence[float], n_draws: int = N_DRAWS, seed: int = 0) -> Range:
    """Return how many seconds tasks take together.

    Args:
        evidence: how long tasks took; at least one of them.
        sizes: of the tasks to do, in the evidence's unit.
        n_draws: how often the evidence is drawn anew.
        seed: of the draws, so that the same evidence gives the same estimate.
    """
    if not len(sizes):
        return Range(0.0, 0.0, 0.0)
    seconds = np.array([sample.seconds for sample in evidence.samples])
    known = np.array([sample.size for sample in evidence.samples], np.float64)
    runs = _group(evidence)
    wanted = np.asarray(sizes, np.float64)
    rng = np.random.default_rng(seed)
    totals = np.empty(n_draws)
    for draw in range(n_draws):
        drawn = [runs[i] for i in rng.integers(len(runs), size=len(runs))]
        at = np.concatenate([rng.choice(members, len(members)) for members in drawn])
        base, slope = fit_line(known[at], seconds[at])
        apart = seconds[at] - base - slope * known[at]
        totals[draw] = max(0.0, base * len(wanted) + slope * float(wanted.sum()) + _scatter(apart, len(wanted), rng))
    low, likely, high = np.percentile(totals, (LOW, 50.0, HIGH))
    return Range(float(low), float(likely), float(high))


def _scatter(apart: FloatArray, n_tasks: int, rng: np.random.Generator) -> float:
    """Return how far the sum of so many tasks may be from the line, as those known are; of many, the normal limit."""
    if n_tasks <= MANY:
        return float(rng.choice(apart, n_tasks).sum())
    return float(apart.mean() * n_tasks + apart.std() * math.sqrt(n_tasks) * rng.standard_normal())


def fit_line(sizes: FloatArray, seconds: FloatArray) -> tuple[float, float]:
    """Return a and b of ``seconds = a + b · size``, neither below zero: least squares.

    Where all sizes are alike nothing tells the two apart, and all of it is taken to grow with the size.
    """
    mean_size, mean_s = float(sizes.mean()), float(seconds.mean())
    spread = sizes - mean_size
    variance = float(spread @ spread)
    through_origin = float(sizes @ seconds) / float(sizes @ sizes)
    if variance <= 1e-6 * float(sizes @ sizes):
        return 0.0, through_origin
    slope = float(spread @ (seconds - mean_s)) / variance
    if slope <= 0:
        return mean_s, 0.0
    base = mean_s - slope * mean_size
    return (base, slope) if base >= 0 else (0.0, through_origin)


def _group(evidence: Evidence) -> list[npt.NDArray[np.intp]]:
    names = np.array([sample.run for sample in evidence.samples])
    return [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]


def expect_local(evidence: Evidence | None, work: Work, n_workers: int) -> Expected:
    """Return what work takes on this machine: time, and no money.

    Args:
        evidence: how long tasks took; None if nothing tells.
        work: what is to be done.
        n_workers: how many tasks run at a time.
    """
    nothing = Range(0.0, 0.0, 0.0)
    if evidence is None:
        return Expected("local", None, nothing, {}, "nothing tells")
    task_s = predict_seconds(evidence, work.sizes)
    if evidence.is_lambda:
        task_s = task_s.times(1 / _slowdown(work.memory_mb))
    n_tasks = len(work.sizes)
    workers = max(1, min(n_workers, n_tasks))
    wall_s = task_s.times(1 / workers).at_least(_longest(evidence, work, task_s)).plus(_start_s(evidence, n_workers))
    source = f"{evidence.source}; {workers} at a time"
    if evidence.is_lambda:
        source += "; a core here taken to be as fast as a function of 1,769 MB"
    return Expected("local", wall_s, nothing, {}, source)


def expect_cloud(
    executor: str, evidence: Evidence | None, work: Work, max_concurrency: int, prices: PriceTable
) -> Expected:
    """Return what work takes on Lambda, with or without a state machine before it.

    Args:
        executor: ``lambda`` or ``step-functions``.
        evidence: how long tasks took; None if nothing tells.
        work: what is to be done.
        max_concurrency: how many tasks are in flight at a time.
        prices: what each kind costs.
    """
    if evidence is None:
        return Expected(executor, None, None, {}, "nothing tells")
    task_s = predict_seconds(evidence, work.sizes)
    if not evidence.is_lambda:
        task_s = task_s.times(_slowdown(work.memory_mb))
    n_tasks = len(work.sizes)
    in_flight = max(1, min(max_concurrency, n_tasks))
    waves = math.ceil(n_tasks / in_flight)
    ramp_s = (math.ceil(in_flight / BURST) - 1) * BURST_S
    wall_s = task_s.times(waves / max(n_tasks, 1)).at_least(_longest(evidence, work, task_s)).plus(ramp_s)
    source = f"{evidence.source}; {waves} wave{'s' if waves != 1 else ''} of up to {in_flight:,}, none tried again"
    if not evidence.is_lambda:
        source += "; a function of 1,769 MB taken to be as fast as a core here, without cold starts"
    costs = [Cost(count_work(executor, work, seconds), prices) for seconds in (task_s.low, task_s.likely, task_s.high)]
    return Expected(executor, wall_s, Range(*(cost.usd for cost in costs)), costs[1].by_kind, source)


def count_work(executor: str, work: Work, task_s: float) -> Usage:
    """Return what work uses on Lambda if each task is tried once, and all take so many seconds together."""
    n_tasks = len(work.sizes)
    listings = math.ceil(work.n_chunks / PAGE_SIZE) * (work.n_inputs + 1)
    usage = Usage(
        gb_s=task_s * work.memory_mb / 1024,
        lambda_requests=n_tasks,
        s3_gets=n_tasks * work.n_reads,
        s3_puts=n_tasks * work.n_outputs + listings + work.n_outputs,
    )
    if executor == STEP_FUNCTIONS and n_tasks:
        usage += Usage(s3_gets=n_tasks * work.n_outputs + 1, s3_puts=2, transitions=n_tasks + 1)
    return usage


def _start_s(evidence: Evidence, n_workers: int) -> float:
    """Return what earlier runs here took beside their tasks, if they had as many workers: the median."""
    if evidence.is_lambda or not evidence.runs:
        return 0.0
    rest = [max(0.0, run.wall_s - run.task_s / max(1, min(n_workers, run.n_tasks))) for run in evidence.runs]
    return statistics.median(rest)


def _slowdown(memory_mb: int) -> float:
    """Return how much slower than a whole processor a function's share of one is."""
    return max(1.0, ONE_CPU_MB / memory_mb)


def _longest(evidence: Evidence, work: Work, task_s: Range) -> float:
    """Return about how long the largest task takes: no run is shorter."""
    total = float(sum(work.sizes))
    if not total:
        return 0.0
    base, slope = fit_line(
        np.array([sample.size for sample in evidence.samples], np.float64),
        np.array([sample.seconds for sample in evidence.samples]),
    )
    whole = base * len(work.sizes) + slope * total
    return task_s.likely * (base + slope * max(work.sizes)) / whole if whole else 0.0
