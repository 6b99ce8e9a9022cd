"""What a stage will take, from what it took before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mycelium.manifest import Manifest, list_runs, read_manifest
from mycelium.stage import Stage
from mycelium.store import Store

MAX_RUNS = 8
"""Runs of the past that are looked at: the latest tell most, and a store may have thousands."""

LAMBDA_USD_PER_GB_S = 0.0000133334
LAMBDA_USD_PER_REQUEST = 0.20 / 1e6
PRICES_OF = "us-east-1, arm64, 2026-11"
"""Where and when Lambda took these prices."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a stage was.

    Attributes:
        task_s: seconds of one task for each problem in it.
        n_problems: problems that this was measured on.
    """

    task_s: float
    n_problems: int


def measure_pace(store: Store, stage: Stage[Any]) -> Pace | None:
    """Return how long a stage took for each problem in the store's earlier runs of it; None if there are none.

    Chunks that were found and not computed say nothing, and are left out.
    """
    dataset = stage.writes[-1].name
    runs = islice(reversed(list(list_runs(store, dataset))), MAX_RUNS)
    task_s, n_problems = _add_done(read_manifest(store, *run) for run in runs)
    return Pace(task_s / n_problems, n_problems) if n_problems else None


def _add_done(manifests: Iterable[Manifest]) -> tuple[float, int]:
    done = list(_done(manifests))
    return sum(seconds for seconds, _ in done), sum(problems for _, problems in done)


def _done(manifests: Iterable[Manifest]) -> Iterator[tuple[float, int]]:
    for manifest in manifests:
        for outcome in manifest.outcomes:
            if outcome.status == "done":
                yield outcome.wall_s, outcome.n_problems


def lambda_usd(stage: Stage[Any], task_s: float, n_tasks: int) -> float:
    """Return what Lambda takes for some tasks of a stage, in US dollars, cold starts and S3 requests not included."""
    return task_s * stage.memory_mb / 1024 * LAMBDA_USD_PER_GB_S + n_tasks * LAMBDA_USD_PER_REQUEST
