"""What a planned run will take, on each executor, and whether it may start under a limit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from coordinator.cost.actual import CLOUD, STEP_FUNCTIONS, count_outcome, count_reads
from coordinator.cost.estimate import Expected, Work, expect_cloud, expect_local
from coordinator.cost.evidence import Evidence, History, probe, read_history, size_task
from coordinator.cost.limit import ENOUGH, CostLimit
from coordinator.cost.prices import ARM64, PriceTable
from coordinator.cost.tell import format_usd
from coordinator.cost.usage import Cost, Usage
from mycelium.errors import UserInputError
from mycelium.manifest import Outcome
from mycelium.plan import Plan
from mycelium.store import Store, open_store

FULL_TRIES = 2
"""Full timeouts that one chunk may be billed for, by the table of retries."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many tasks run at a time.

    Attributes:
        max_workers: here.
        max_concurrency: on Lambda.
        prices: what things cost there.
    """

    max_workers: int
    max_concurrency: int
    prices: PriceTable


@dataclass(frozen=True, slots=True)
class Ask:
    """What a user wants to know before a run, and to be held to.

    Attributes:
        executor: where the run is to be.
        probe: chunks to do here first; 0 for none.
        max_cost: US dollars that it may cost; None for any number.
        only_plan: whether it is to be planned, and not run.
        tell: hears what goes wrong in a probe.
    """

    executor: str
    probe: int = 0
    max_cost: float | None = None
    only_plan: bool = False
    tell: Callable[[str], None] = print


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is known of a run before it starts.

    Attributes:
        plan: what is left to do, after the probe if there was one.
        expected: what that takes on each executor.
        limit: what it may cost; None for anything.
        prices: what things cost.
    """

    plan: Plan
    expected: tuple[Expected, ...]
    limit: CostLimit | None
    prices: PriceTable


def find_work(plan: Plan) -> Work:
    """Return what is left to do of a plan."""
    sizes = [size_task(task) for task in plan.tasks if not task.found]
    return Work(
        sizes, len(plan.inputs), _count_reads(plan), len(plan.stage.writes), plan.n_chunks, plan.stage.memory_mb
    )


def _count_reads(plan: Plan) -> int:
    reads = count_reads(plan.stage, msgspec.to_builtins(plan.params), len(plan.inputs))
    return reads + (plan.stage.fit is not None)


def expect_plan(plan: Plan, history: History, probed: Evidence | None, places: Places) -> list[Expected]:
    """Return what a plan will take on each executor.

    Args:
        plan: what is to be done.
        history: the stage's earlier runs.
        probed: what a probe has measured; it counts before what ran on this machine earlier.
        places: how many tasks run at a time, and the prices.
    """
    work = find_work(plan)
    here = probed or history.find_evidence(on_lambda=False)
    there = history.find_evidence(on_lambda=True)
    if probed is not None and (there is None or not there.is_lambda):
        there = probed
    clouds = (
        expect_cloud(name, there, work, places.max_concurrency, places.prices) for name in ("lambda", STEP_FUNCTIONS)
    )
    expected = [expect_local(here, work, places.max_workers), *clouds]
    if plan.stage.fit is None or plan.fit is not None:
        return expected
    return [replace(one, source=f"{one.source}; without the rounds of its fit") for one in expected]


def look_ahead(plan: Plan, target: Store, ask: Ask, places: Places) -> Ahead:
    """Return what a run will take, after a probe if one is wanted.

    Args:
        plan: what is to be done.
        target: where its outputs go, and where its stage's earlier runs are looked for.
        ask: what the user wants to know, and to be held to.
        places: how many tasks run at a time, and the prices.

    Raises:
        UserInputError: the run would cost more than it may, or can't be probed.
    """
    history = read_history(target, plan.stage, plan.params, open_store(plan.source_uri))
    places = replace(places, prices=places.prices.on(history.architecture or ARM64))
    probed = None
    if ask.probe:
        plan, probed = probe(plan, target, ask.probe, ask.tell)
    expected = expect_plan(plan, history, probed, places)
    limit = make_limit(plan, ask.executor, ask.max_cost, history, places.prices)
    if not ask.only_plan:
        check_limit(plan, expected, ask.executor, limit)
    return Ahead(plan, tuple(expected), limit, places.prices)


def make_limit(
    plan: Plan, executor: str, limit_usd: float | None, history: History, prices: PriceTable
) -> CostLimit | None:
    """Return the limit on a run's cost; None where there is none, or where nothing is billed.

    Args:
        plan: what is to be done.
        executor: where.
        limit_usd: the most that it may cost.
        history: the stage's earlier runs: the dearest of their chunks is what one may cost.
        prices: what each kind costs.
    """
    if limit_usd is None or executor not in CLOUD:
        return None
    memory_mb, n_reads = plan.stage.memory_mb, _count_reads(plan)
    n_outputs = len(plan.stage.writes)

    def price_of(gb_s: float) -> float:
        used = Usage(gb_s, 1, n_reads + n_outputs, n_outputs, 1.0 if executor == STEP_FUNCTIONS else 0.0)
        return Cost(used, prices).usd

    limit = CostLimit(
        limit_usd,
        make_pricer(executor, memory_mb, n_reads, prices),
        FULL_TRIES * price_of(plan.stage.timeout_s * memory_mb / 1024),
    )
    evidence = history.find_evidence(on_lambda=True)
    if evidence is not None and evidence.is_lambda and history.alike and len(evidence.samples) >= ENOUGH:
        limit.n_seen = len(evidence.samples)
        limit.dearest_usd = price_of(max(sample.seconds for sample in evidence.samples) * memory_mb / 1024)
    return limit


def make_pricer(executor: str, memory_mb: int, n_reads: int, prices: PriceTable) -> Callable[[Outcome], float | None]:
    """Return what says the cost of a task, in US dollars, or None where its platform does not say."""

    def price(outcome: Outcome) -> float | None:
        if executor == STEP_FUNCTIONS and outcome.status != "found" and not outcome.billed_ms:
            return None
        return Cost(count_outcome(outcome, executor, memory_mb, n_reads), prices).usd

    return price


def check_limit(plan: Plan, expected: Sequence[Expected], executor: str, limit: CostLimit | None) -> None:
    """Refuse to start a run that would surely cost more than it may.

    Args:
        plan: what is to be done.
        expected: what it will take on each executor.
        executor: where it is to run.
        limit: what it may cost; None for anything.

    Raises:
        UserInputError: it would.
    """
    if limit is None or plan.n_found == len(plan.tasks):
        return
    most = format_usd(limit.limit_usd)
    for one in expected:
        if one.executor == executor and one.usd is not None and one.usd.low > limit.limit_usd:
            raise UserInputError(
                f"--max-cost {most} is below what this run will cost, {format_usd(one.usd.low)} to "
                f"{format_usd(one.usd.high)} ({one.source}): raise it, or take a part of the input"
            )
    if limit.per_task_usd > limit.limit_usd:
        raise UserInputError(
            f"--max-cost {most} is below what one chunk may cost until its timeout, "
            f"{format_usd(limit.per_task_usd)}: nothing could be started"
        )
