"""Time and cost: each run's own figures, and when each of its tasks ran."""

from collections.abc import Iterator, Sequence

from coordinator.cost.actual import CLOUD, actual_cost
from coordinator.cost.prices import PriceTable, read_prices
from coordinator.report.charts import draw_gantt
from coordinator.report.family import Family
from coordinator.report.section import Section, Table
from mycelium.manifest import Manifest, Outcome

MAX_BARS = 600
"""Tasks of one stage that are drawn; those tried again or failed are never left out."""
MAX_ROWS = 1000


def describe_times(family: Family) -> Iterator[Section]:
    """Yield what each run took, and a chart of its tasks."""
    runs = list(family.by_stage.values())
    prices = read_prices()
    tables = [Table("Runs", [_sum_run(manifest, prices) for manifest in runs])]
    rows = sorted(
        (row for manifest in runs for row in _list_chunks(manifest)), key=lambda row: row["outcome"] != "failed"
    )
    if rows:
        tables.append(Table("Chunks; seconds are counted from each stage's first task", rows, is_filtered=True))
    bars = [bar for manifest in runs for bar in _lay_out(manifest)]
    yield Section(
        "times",
        "Time and cost",
        tuple(tables),
        f"Seconds of all tasks together, seconds that passed, and the dollars for functions, requests to S3 and state "
        f"transitions, at the prices of {prices.of}. A run on one's own machine is billed nothing.",
        draw_gantt(bars) if bars else None,
        "When each task of each stage ran, from its first task on; those tried again and those that failed stand out",
    )


def _sum_run(manifest: Manifest, prices: PriceTable) -> dict[str, object]:
    outcomes = manifest.outcomes
    billed_s = sum(outcome.billed_ms for outcome in outcomes) / 1000
    return {
        "stage": manifest.stage,
        "run": manifest.run_id,
        "where": manifest.executor,
        "chunks": manifest.n_chunks,
        "failed": len(manifest.failed),
        "tried again": sum(max(outcome.attempts - 1, 0) for outcome in outcomes),
        "task seconds": float(sum(outcome.wall_s for outcome in outcomes)),
        "wall seconds": float(manifest.wall_s),
        "MB read": sum(outcome.bytes_read for outcome in outcomes) / 1e6,
        "seconds billed": billed_s or None,
        "USD": actual_cost(manifest, prices).usd if manifest.executor in CLOUD else None,
    }


def _list_chunks(manifest: Manifest) -> Iterator[dict[str, object]]:
    first_s = _first_s(manifest)
    others = [outcome for outcome in manifest.outcomes if outcome.status != "failed"]
    for outcome in (*manifest.failed, *others[:MAX_ROWS]):
        yield {
            "stage": manifest.stage,
            "chunk": outcome.chunk_id,
            "outcome": outcome.status,
            "problems": outcome.n_problems,
            "began at, s": outcome.started_s - first_s if outcome.started_s else None,
            "took, s": float(outcome.wall_s),
            "tries": outcome.attempts,
            "MB read": outcome.bytes_read / 1e6,
            "peak MB": float(outcome.peak_mb),
            "error": outcome.error or "",
        }


def _lay_out(manifest: Manifest) -> Iterator[dict[str, object]]:
    """Yield the bars of a stage, each in the first lane that is free when it begins."""
    ends: list[float] = []
    first_s = _first_s(manifest)
    for outcome in sorted(_choose(manifest.outcomes), key=lambda outcome: outcome.started_s):
        start, end = outcome.started_s - first_s, outcome.started_s - first_s + outcome.wall_s
        lane = next((i for i, busy_until in enumerate(ends) if busy_until <= start), len(ends))
        ends[lane : lane + 1] = [end]
        kind = "failed" if outcome.status == "failed" else "tried again" if outcome.attempts > 1 else "once"
        yield {
            "stage": manifest.stage,
            "chunk": outcome.chunk_id,
            "status": outcome.status,
            "attempts": outcome.attempts,
            "start_s": round(start, 4),
            "end_s": round(end, 4),
            "lane": lane,
            "kind": kind,
        }


def _choose(outcomes: Sequence[Outcome]) -> list[Outcome]:
    ran = [outcome for outcome in outcomes if outcome.started_s and outcome.status != "found"]
    telling = [outcome for outcome in ran if outcome.attempts > 1 or outcome.status == "failed"]
    others = [outcome for outcome in ran if outcome.attempts <= 1 and outcome.status != "failed"]
    step = max(1, len(others) // MAX_BARS)
    return telling[:MAX_BARS] + others[::step]


def _first_s(manifest: Manifest) -> float:
    return min((outcome.started_s for outcome in manifest.outcomes if outcome.started_s), default=0.0)
