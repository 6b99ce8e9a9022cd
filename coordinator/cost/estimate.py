"""What a run will take, from how long its stage's tasks took.

A task's seconds are taken to be ``a + b · size``, neither below zero, by least squares over the chunks of one run that
were computed; the first task of each worker, which loads the stage, apart. So each earlier run says what the tasks to
do would take at its pace, and what starting its workers would. The likely total is the mean of the logarithms of these,
of which the latest run counts half, the one before it a quarter, and so on: a machine is most like what it was last.

The interval is from the tenth to the ninetieth hundredth of totals that are drawn a few hundred times: the chunks of
each run with replacement, the scatter about the line for as many tasks as are to do, and a factor for the run as a
whole, as far apart as the earlier runs are (Student's t: few runs say little of that). Of one's own machine, on which
other work comes and goes, one run more is taken to have been seen, which was `DRIFT` apart: two runs that happen to
agree say little.

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

DRIFT = 0.3
"""How far apart two runs on one's own machine are, as the logarithm of their ratio, until others have said so."""

MOST_APART = 20.0
"""No factor is drawn whose logarithm is larger."""

TINY_S = 1e-9
"""Less than any task takes."""

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
    runs = _group(evidence)
    wanted = np.asarray(sizes, np.float64)
    weights = 0.5 ** np.arange(len(runs))
    weights /= weights.sum()
    logs = np.log([max(run.total(wanted), TINY_S) for run in runs])
    likely = float(np.exp(weights @ logs))
    drift = 0.0 if evidence.is_lambda else DRIFT
    apart = math.sqrt((drift**2 + float(((logs - weights @ logs) ** 2).sum())) / len(runs))
    rng = np.random.default_rng(seed)
    totals = np.empty(n_draws)
    for draw in range(n_draws):
        drawn = [run.drawn(rng) for run in runs]
        middle = weights @ np.log([max(run.total(wanted), TINY_S) for run in drawn])
        scatter = drawn[rng.choice(len(drawn), p=weights)].scatter(len(wanted), rng)
        factor = min(max(apart * rng.standard_t(len(runs)), -MOST_APART), MOST_APART)
        totals[draw] = max(0.0, float(np.exp(middle + factor)) + scatter)
    low, high = np.percentile(totals, (LOW, HIGH))
    return Range(min(float(low), likely), likely, max(float(high), likely))


@dataclass(frozen=True, slots=True)
class _Pace:
    """One earlier run: its chunks, and what the first tasks of its workers took."""

    sizes: FloatArray
    seconds: FloatArray
    cold_sizes: FloatArray
    cold_seconds: FloatArray

    @property
    def line(self) -> tuple[float, float]:
        """The line through its chunks."""
        return fit_line(self.sizes, self.seconds)

    @property
    def start_s(self) -> float:
        """What the first task of a worker took beyond that line, on the average."""
        if not len(self.cold_sizes):
            return 0.0
        base, slope = self.line
        return max(0.0, float((self.cold_seconds - base - slope * self.cold_sizes).mean()))

    def total(self, wanted: FloatArray) -> float:
        """Return what tasks would have taken in it, over as many workers."""
        base, slope = self.line
        n_cold = min(len(self.cold_sizes), len(wanted))
        return base * len(wanted) + slope * float(wanted.sum()) + self.start_s * n_cold

    def drawn(self, rng: np.random.Generator) -> "_Pace":
        """Return it with other chunks of the same kind."""
        at = rng.integers(len(self.sizes), size=len(self.sizes))
        n_cold = len(self.cold_sizes)
        cold = rng.integers(max(n_cold, 1), size=n_cold)
        return _Pace(self.sizes[at], self.seconds[at], self.cold_sizes[cold], self.cold_seconds[cold])

    def scatter(self, n_tasks: int, rng: np.random.Generator) -> float:
        """Return how far the sum of so many tasks may be from the line."""
        base, slope = self.line
        return _scatter(self.seconds - base - slope * self.sizes, n_tasks, rng)


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


def _group(evidence: Evidence) -> list[_Pace]:
    """Return the runs of some evidence, the latest first; in one that has no other chunks the first ones are as any."""
    paces = []
    for run in dict.fromkeys(sample.run for sample in evidence.samples):
        ours = [sample for sample in evidence.samples if sample.run == run]
        cold = [sample for sample in ours if sample.cold]
        warm = [sample for sample in ours if not sample.cold]
        if not warm:
            warm, cold = cold, []
        columns = ([sample.size for sample in warm], [sample.seconds for sample in warm])
        first = ([sample.size for sample in cold], [sample.seconds for sample in cold])
        paces.append(_Pace(*(np.array(column, np.float64) for column in (*columns, *first))))
    return paces


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
    if not sum(work.sizes):
        return 0.0
    wanted, largest = np.asarray(work.sizes, np.float64), np.array([max(work.sizes)], np.float64)
    latest = _group(evidence)[0]
    whole = latest.total(wanted)
    return task_s.likely * latest.total(largest) / whole if whole else 0.0
