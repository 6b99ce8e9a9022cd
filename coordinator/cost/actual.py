"""What a run cost, from its manifest and a table of prices.

The manifest has, of each chunk, what the platform billed for all its attempts together, how often it was tried, and the
objects it wrote. The rest is derived:

- a function has the memory that its stage asks for now, on the processor that the manifest names: what its deployment
  said; of a deployment that said nothing, on arm64;
- an attempt reads one object of each run that the manifest names as input, and the artifact of a fit (two requests for
  a task of one input and one output, counted in `tests/lambdas/test_handler.py`); a stage that reads a part of its
  first input, some columns or one head, asks for the foot of the file first (one request more, of large files two);
- a chunk that was there already is read once, and not written;
- to plan the run took a listing for every 1,000 keys of each run read and of the outputs, and its record a PUT for each
  dataset written;
- a task of a fit's rounds reads its inputs and the question; what was billed for all rounds is in the manifest's notes;
- a chunk of a run of over 4,096 leaves its part in the store, where the reduce reads it;
- a state machine makes one transition for each attempt at a chunk, and one for the map.

What can't be derived is named: the seconds of functions that a state machine called, and those of a reduce that ran on
Lambda.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from coordinator.cost.prices import ARM64, LIST_PRICES, PriceTable
from coordinator.cost.usage import Cost, Usage, add_usages
from lambdas.stages import find_stage, stage_names
from mycelium.manifest import ARCHITECTURE, Manifest, Outcome
from mycelium.reduce import MANY_PARTS, STORED_FAN_IN
from mycelium.schema import Row
from mycelium.stage import Stage
from mycelium.store.base import PAGE_SIZE

CLOUD = {"lambda", "step-functions"}
"""The executors that are billed for; what runs on one's own machine is not, its requests to a bucket aside."""

STEP_FUNCTIONS = "step-functions"


def actual_cost(manifest: Manifest, prices: PriceTable = LIST_PRICES) -> Cost:
    """Return what the last invocation of a run cost; nothing, for a run on one's own machine.

    Args:
        manifest: the run's.
        prices: what each kind costs.
    """
    prices = prices.on(find_architecture(manifest) or ARM64)
    if manifest.executor not in CLOUD or manifest.stage not in stage_names():
        return Cost(Usage(), prices)
    stage = find_stage(manifest.stage)
    n_reads = count_reads(stage, manifest.params, len(manifest.inputs)) + (manifest.fit is not None)
    each = (count_outcome(outcome, manifest.executor, stage.memory_mb, n_reads) for outcome in manifest.outcomes)
    return Cost(add_usages(each) + _count_rest(manifest, n_reads), prices, tuple(_name_unknown(manifest)))


def find_architecture(manifest: Manifest) -> str | None:
    """Return the processor of the functions of a run; None where nothing says it."""
    said = manifest.notes.get(ARCHITECTURE)
    return said if isinstance(said, str) and said else None


def count_reads(stage: Stage[Any], params: Row, n_inputs: int) -> int:
    """Return how many requests an attempt makes to read its inputs.

    Args:
        stage: whose task it is.
        params: its parameters.
        n_inputs: objects that it reads.
    """
    try:
        is_everything = stage.select(msgspec.convert(params, type(stage.params), strict=False)).is_everything
    except (msgspec.ValidationError, ValueError):  # parameters of another version
        is_everything = stage.select(stage.params).is_everything
    return n_inputs + (not is_everything)


def count_outcome(outcome: Outcome, executor: str, memory_mb: int, n_reads: int) -> Usage:
    """Return what one chunk used, as far as its outcome says.

    Args:
        outcome: the chunk's.
        executor: where it ran.
        memory_mb: the memory of its function.
        n_reads: requests by which an attempt reads its inputs.
    """
    if executor not in CLOUD or _never_ran(outcome):
        return Usage()
    n_outputs = len(outcome.outputs)
    gb_s = outcome.billed_ms / 1000 * memory_mb / 1024
    if outcome.status == "found":
        return Usage(gb_s, outcome.attempts, n_outputs)
    if executor == STEP_FUNCTIONS:
        # The coordinator reads what the state machine's functions wrote; what it took over has no attempts.
        tries = max(outcome.attempts, 1)
        return Usage(gb_s, tries, tries * n_reads + n_outputs, n_outputs, tries)
    return Usage(gb_s, outcome.attempts, outcome.attempts * n_reads, n_outputs)


def _never_ran(outcome: Outcome) -> bool:
    """Whether a chunk failed before a function saw it: its input is lost, or every call was throttled.

    A chunk whose function left no word has no attempts in its outcome, and did run.
    """
    return outcome.status == "failed" and bool(outcome.attempts) and not outcome.billed_ms and not outcome.started_s


def _count_rest(manifest: Manifest, n_reads: int) -> Usage:
    """Return what a run used beside its chunks: to plan, to be recorded, to be reduced where it lay."""
    listings = math.ceil(manifest.n_chunks / PAGE_SIZE) * (len(manifest.inputs) + 1)
    datasets = {ref.dataset for outcome in manifest.outcomes for ref in outcome.outputs}
    rest = Usage(s3_puts=listings + len(datasets) + len(manifest.gathered)) + _count_fit(manifest, n_reads)
    if manifest.executor == STEP_FUNCTIONS:
        return rest + Usage(s3_gets=1, s3_puts=2, transitions=1)  # items.json and run.json, and the map itself
    if manifest.n_chunks > MANY_PARTS:
        done = sum(outcome.status != "failed" for outcome in manifest.outcomes)
        rest += Usage(lambda_requests=math.ceil(done / STORED_FAN_IN), s3_gets=done, s3_puts=done)
    return rest


def _count_fit(manifest: Manifest, n_reads: int) -> Usage:
    """Return what the rounds of a fit used: a task reads the question as it reads the artifact when it is mapped."""
    attempts, billed_ms = (manifest.notes.get(name, 0) for name in ("fit_attempts", "fit_billed_ms"))
    if not isinstance(attempts, int) or not isinstance(billed_ms, int):
        return Usage()
    gb_s = billed_ms / 1000 * find_stage(manifest.stage).memory_mb / 1024
    return Usage(gb_s, attempts, attempts * n_reads)


def _name_unknown(manifest: Manifest) -> list[str]:
    unknown = []
    if manifest.executor == STEP_FUNCTIONS:
        unknown.append("the seconds of its functions, which a state machine does not say")
    elif manifest.n_chunks > MANY_PARTS:
        unknown.append("the seconds of its reduce")
    return unknown


def describe_cost(cost: Cost) -> Mapping[str, object]:
    """Return a cost as plain data: US dollars together and by kind, how much of each, and whose prices."""
    usage = {name: getattr(cost.usage, name) for name in cost.by_kind}
    return {
        "usd": cost.usd,
        "usd_by_kind": cost.by_kind,
        "usage": usage,
        "prices_of": cost.prices.of,
        "not_included": list(cost.unknown),
    }
