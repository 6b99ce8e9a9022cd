"""The estimate against the truth: what `plan` says of the next data set, and what that then takes.

    python -m benchmarks.cost [--data ../shared/data] [--rounds 3] [--only steps labels heartbeat limits]

In each round a store is filled anew. A stage runs over one data set after the other, each of other texts or chunks
than those before; before each run but the first its time is foretold from the runs before it, three ways: by the line
through bytes and seconds that `plan` draws, by seconds for each byte, and by seconds for each problem. The wall time
foretold is that of the local executor. Nothing is asserted: the machine may be busy with other things between two runs,
and the error says so.

Beside it, `limits`: ways of holding a run to a limit, over the same drawn costs of 10,000 tasks, 1,000 in flight.
Nothing is measured there: it is a simulation in a clock of its own, so its table is the same on every machine.
"""

import argparse
import heapq
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.heartbeat import PROBLEMS, write_run
from benchmarks.record import ROOT, add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from coordinator.cost.estimate import expect_local, predict_seconds
from coordinator.cost.evidence import Evidence, read_history
from coordinator.cost.limit import ENOUGH, CostLimit
from coordinator.cost.planned import find_work
from coordinator.executors.local import LocalExecutor, count_cores
from coordinator.ingest.ingest import IngestParams, ingest_files
from coordinator.pipeline.given import cut_manifest
from lambdas.stages import find_stage
from mycelium.foreign.fields import parse_field_options
from mycelium.manifest import Manifest, Outcome
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore

TEXTS = (
    ("gsm8k", "gsm8k_train.jsonl.gz", 64, 2000),
    ("math", "math_visible.jsonl.gz", 64, 1500),
    ("gsm8k, small chunks", "gsm8k_train.jsonl.gz", 16, 1000),
    ("sampled chains", "cot_llama31_8b_math_train.jsonl.gz", 64, 1000),
    ("math, large chunks", "math_visible.jsonl.gz", 200, 3000),
)
"""Name, file, problems to a chunk, problems."""

SIGNALS = (8, 24, 12, 40)
"""Chunks of iaf: nothing but their number differs."""


N_TASKS = 10_000
MAX_IN_FLIGHT = 1000


@dataclass(frozen=True, slots=True)
class Foretold:
    """What was said of one run before it, and what it took.

    Attributes:
        stage: whose run.
        data: what it read.
        likely_s: the tasks' seconds, by the line.
        low_s: the low end of its interval.
        high_s: the high end.
        by_byte_s: the same by seconds for each byte.
        by_problem_s: the same by seconds for each problem.
        task_s: what the tasks took.
        wall_likely_s: seconds to pass, as foretold.
        wall_s: those that passed.
    """

    stage: str
    data: str
    likely_s: float
    low_s: float
    high_s: float
    by_byte_s: float
    by_problem_s: float
    task_s: float
    wall_likely_s: float
    wall_s: float


def foretell_and_run(
    store: LocalStore, stage_name: str, data: str, inputs: Manifest
) -> tuple[Foretold | None, Manifest]:
    """Say what a run will take, if anything is known, and run it."""
    stage: Any = find_stage(stage_name)
    plan = plan_run(store, store, stage, stage.params, [inputs])
    history, work, workers = read_history(store, stage, stage.params, store), find_work(plan), count_cores()
    evidence = history.find_evidence(on_lambda=False)
    by_problem = history.find_evidence(on_lambda=False, unit="problems")
    manifest = run_plan(store, plan, LocalExecutor(workers), quiet=True)
    assert manifest.complete
    if evidence is None or by_problem is None:
        return None, manifest
    task_s = predict_seconds(evidence, work.sizes)
    wall_s = expect_local(evidence, work, workers).wall_s
    assert wall_s is not None
    n_problems = sum(outcome.n_problems for outcome in inputs.outcomes)
    return (
        Foretold(
            stage_name,
            data,
            task_s.likely,
            task_s.low,
            task_s.high,
            _pace(evidence) * sum(work.sizes),
            _pace(by_problem) * n_problems,
            sum(outcome.wall_s for outcome in manifest.outcomes),
            wall_s.likely,
            manifest.wall_s,
        ),
        manifest,
    )


def _pace(evidence: Evidence) -> float:
    return sum(sample.seconds for sample in evidence.samples) / sum(sample.size for sample in evidence.samples)


def run_texts(store: LocalStore, data: Path, stages: Sequence[str]) -> Iterator[Foretold]:
    """Run `steps` and what reads it over texts of several kinds."""
    for name, file, chunk_size, limit in TEXTS:
        params = IngestParams(chunk_size, limit, None, "")
        before = ingest_files(
            store, [data / file], name.replace(", ", "-").replace(" ", "-"), params, parse_field_options(())
        )
        for stage in ("steps", "labels"):
            foretold, before = foretell_and_run(store, stage, name, before)
            if foretold is not None and stage in stages:
                yield foretold


def run_signals(store: LocalStore) -> Iterator[Foretold]:
    """Run `heartbeat` over signals made up, more and fewer chunks of them."""
    made = write_run(store, max(SIGNALS))
    whole = replace(made, outcomes=tuple(replace(outcome, n_problems=PROBLEMS) for outcome in made.outcomes))
    for n_chunks in SIGNALS:
        some = cut_manifest(whole, {outcome.chunk_id for outcome in whole.outcomes[:n_chunks]})
        foretold, _ = foretell_and_run(store, "heartbeat", f"{n_chunks} chunks", some)
        if foretold is not None:
            yield foretold


@dataclass(slots=True)
class Held:
    """What became of a simulated run: tasks done, dollars billed, seconds passed."""

    done: int = 0
    billed: float = 0.0
    wall_s: float = 0.0


def stop_by_sight(costs: Sequence[float], limit: float) -> Held:
    """Start nothing more when what has landed is beyond the limit; what flies then is billed as well."""
    return _fly(costs, lambda landed, _flying: landed <= limit)


def reserve(costs: Sequence[float], limit: float, dearest: float) -> Held:
    """Start a task when what has landed, and all that flies at the price of the dearest, leave room for one more."""
    return _fly(costs, lambda landed, flying: landed + (flying + 1) * dearest <= limit)


def _fly(costs: Sequence[float], may_start: Callable[[float, int], bool]) -> Held:
    """Keep as many in flight as may be; a task takes as many seconds as it costs."""
    held, waiting, landed = Held(), list(reversed(costs)), 0.0
    flying: list[tuple[float, float]] = []
    while True:
        while waiting and len(flying) < MAX_IN_FLIGHT and may_start(landed, len(flying)):
            cost = waiting.pop()
            heapq.heappush(flying, (held.wall_s + cost, cost))
            held.billed += cost
        if not flying:
            return held
        held.wall_s, cost = heapq.heappop(flying)
        landed += cost
        held.done += 1


def deal_out(costs: Sequence[float], limit: float, dearest: float) -> tuple[Held, int]:
    """Start as many as are paid for at the price of the dearest, wait for all, and so on; also in how many goes."""
    rule = CostLimit(limit, lambda outcome: outcome.wall_s, dearest, dearest, ENOUGH)
    held, waiting, goes = Held(), list(costs), 0
    while waiting and (n := rule.allow(len(waiting))):
        part = _fly(waiting[:n], lambda _landed, _flying: True)
        for cost in waiting[:n]:
            rule.take(Outcome("", "done", wall_s=cost))
        held.done, held.billed, held.wall_s = held.done + n, held.billed + part.billed, held.wall_s + part.wall_s
        waiting, goes = waiting[n:], goes + 1
    return held, goes


def hold_to_limits() -> Table:
    """Return what each way of holding a run to a limit does with the same tasks."""
    rng = np.random.default_rng(0)
    costs = rng.lognormal(0.0, 0.5, N_TASKS).tolist()
    dearest, total = max(rng.lognormal(0.0, 0.5, 200).tolist()), sum(costs)
    free = _fly(costs, lambda _landed, _flying: True)
    rows: list[tuple[Cell, ...]] = []
    for share in (0.5, 0.9, 1.0, 1.1, 5.0):
        limit = share * total
        dealt, goes = deal_out(costs, limit, dearest)
        ways: tuple[tuple[str, Held, int | None], ...] = (
            ("stop when what landed is beyond it", stop_by_sight(costs, limit), None),
            ("reserve the dearest for what flies", reserve(costs, limit, dearest), None),
            ("deal out what is paid for, and wait", dealt, goes),
        )
        for way, held, in_goes in ways:
            shares = (100 * held.done / N_TASKS, 100 * held.billed / limit)
            rows.append((way, 100 * share, *shares, held.wall_s / free.wall_s, in_goes))
    columns = (
        Column("limit, of the total", "%", ".0f"),
        Column("done", "%", ".1f"),
        Column("billed, of the limit", "%", ".1f"),
        Column("time, over that without limit", form=".2f"),
        Column("goes"),
    )
    caption = f"Simulated: {N_TASKS:,} tasks, {MAX_IN_FLIGHT:,} in flight, log-normal costs."
    return Table(caption, columns, tuple(rows), "limits", "way")


ERRORS: dict[str, Callable[[Foretold], float]] = {
    "tasks' seconds, by the line": lambda one: one.likely_s / one.task_s - 1,
    "the same by seconds for each byte": lambda one: one.by_byte_s / one.task_s - 1,
    "the same by seconds for each problem": lambda one: one.by_problem_s / one.task_s - 1,
    "wall time": lambda one: one.wall_likely_s / one.wall_s - 1,
}


def tabulate(found: Sequence[Foretold]) -> tuple[list[Table], list[Figure]]:
    """Return each run's errors, and the medians."""
    runs: list[tuple[Cell, ...]] = []
    for one in found:
        span = f"{one.likely_s:.2f} ({one.low_s:.2f} to {one.high_s:.2f})"
        errors = (f"{100 * error(one):+.0f} %".replace("-", "−") for error in ERRORS.values())
        runs.append((one.stage, one.data, span, one.task_s, one.wall_likely_s, one.wall_s, *errors))
    of_runs = ("next data", "foretold, s (10 to 90 %)", "taken, s", "wall foretold, s", "taken so, s")
    columns = tuple(map(Column, (*of_runs, "error", "by byte", "by problem", "of the wall")))
    absolute = {name: [100 * abs(error(one)) for one in found] for name, error in ERRORS.items()}
    rows = tuple((name, statistics.median(values), max(values)) for name, values in absolute.items())
    asked = (Column("median error", "%", ".0f"), Column("largest", "%", ".0f"))
    spread = f"{min(one.task_s for one in found):.1f} to {max(one.task_s for one in found):.1f} s"
    inside = sum(one.low_s <= one.task_s <= one.high_s for one in found)
    caption = f"{len(found)} runs of {spread} of tasks each, of which {inside} fell within their interval of 80 %."
    line = "tasks' seconds, by the line"
    figures = [
        Figure("inside", "runs within their interval of 80 %", 100 * inside / len(found), "%", form=".0f"),
        Figure("line", "median error of tasks' seconds", statistics.median(absolute[line]), "%",
               "seconds for each byte", statistics.median(absolute["the same by seconds for each byte"]), form=".0f"),
        Figure("wall", "median error of the wall time", statistics.median(absolute["wall time"]), "%", form=".0f"),
    ]  # fmt: skip
    summary = Table(caption, asked, rows, "errors")
    return [summary, Table("Each run.", columns, tuple(runs), "runs", "stage")], figures


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["steps", "labels", "heartbeat", "limits"])
    add_out(parser)
    asked = parser.parse_args()
    recording = begin("cost", asked.out)
    tables = [hold_to_limits()] if "limits" in asked.only else []
    figures: list[Figure] = []
    found: list[Foretold] = []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            store = LocalStore(Path(folder))
            if asked.data.exists() and {"steps", "labels"} & set(asked.only):
                found += run_texts(store, asked.data, asked.only)
            if "heartbeat" in asked.only:
                found += run_signals(store)
    if found:
        measured, figures = tabulate(found)
        tables = [*measured, *tables]
    recording.save("The estimate of a run, against what the run then took", tables, figures)


if __name__ == "__main__":
    main()
