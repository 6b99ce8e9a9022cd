"""What there is to do: how long tasks take, measured in a run or stated."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mycelium.errors import UserInputError
from mycelium.manifest import Manifest

STATED_DRAWS = 2001
"""Quantiles that stand for a stated distribution."""

MAX_DRAWS = 100_000
"""Tasks of a run whose times are kept."""

TYPICAL_INIT_S = 0.35
"""The start of a heartbeat's function: ADR 0040 measured 131 to 145 ms of loading, and 347 ms billed with a chunk."""


@dataclass(frozen=True, slots=True)
class Work:
    """How tasks are drawn.

    Attributes:
        task_s: how long tasks take, at least one; each draw is one of these.
        init_s: how long an environment takes to start, at least one; each cold start is one of these.
        gets: objects that a task reads.
        puts: outputs that it writes.
        parts: parts that it writes, below a prefix of their own, where its part goes to the store.
        memory_mb: memory that its function has, for what it costs.
    """

    task_s: Sequence[float]
    init_s: Sequence[float] = field(default=(TYPICAL_INIT_S,))
    gets: float = 1.0
    puts: float = 1.0
    parts: float = 0.0
    memory_mb: int = 1769

    def __post_init__(self) -> None:
        """Refuse what can't be drawn from."""
        for name, values in (("task_s", self.task_s), ("init_s", self.init_s)):
            if not values or not all(math.isfinite(value) and value >= 0 for value in values):
                raise UserInputError(f"{name} is one finite time of 0 s or more at least; got {list(values)[:4]}")

    @property
    def mean_s(self) -> float:
        """The mean of a task's time."""
        return math.fsum(self.task_s) / len(self.task_s)

    def enlarged(self, factor: int, seed: int) -> "Work":
        """Return tasks over chunks so many times as large, which take as long as so many did, and the requests of one.

        What a task takes however small its chunk is, is thus counted too often: an upper bound.
        """
        if factor == 1:
            return self
        rng = random.Random(seed)  # noqa: S311 - a simulation
        sums = tuple(math.fsum(rng.choices(self.task_s, k=factor)) for _ in range(STATED_DRAWS))
        return replace(self, task_s=sums)


def measured_work(manifest: Manifest, init_s: Sequence[float] = ()) -> Work:
    """Return the work of a run: the times of its tasks, and of the starts that they met.

    Args:
        manifest: the run; tasks that were done in it.
        init_s: how long starts take, where the run met none.

    Raises:
        UserInputError: no task was done in this run.
    """
    done = [outcome for outcome in manifest.outcomes if outcome.status == "done" and outcome.wall_s > 0]
    if not done:
        raise UserInputError(
            f"run {manifest.run_id} has no task that was done in it: its chunks were found or have failed; "
            "name another run, or state a time by --task-s"
        )
    starts = tuple(outcome.init_ms / 1000 for outcome in done if outcome.init_ms > 0)[:MAX_DRAWS]
    step = -(-len(done) // MAX_DRAWS)
    n_refs = max(len(manifest.inputs), 1)
    puts = max(len(outcome.outputs) for outcome in done)
    return Work(
        tuple(outcome.wall_s for outcome in done[::step]), starts or tuple(init_s) or (TYPICAL_INIT_S,), n_refs, puts
    )


def stated_work(text: str, init_s: float = TYPICAL_INIT_S) -> Work:
    """Return the work that ``MEDIAN`` or ``MEDIAN:SIGMA`` states, in seconds; a sigma makes it log-normal.

    Raises:
        UserInputError: it is neither.
    """
    median_text, _, sigma_text = text.partition(":")
    try:
        median_s, sigma = float(median_text), float(sigma_text or 0)
    except ValueError:
        median_s, sigma = math.nan, 0.0
    if not (0 <= median_s < math.inf and 0 <= sigma <= 3):
        raise UserInputError(f"--task-s is a median in seconds, or MEDIAN:SIGMA with a sigma up to 3; got {text!r}")
    if not sigma:
        return Work((median_s,), (init_s,))
    from statistics import NormalDist  # noqa: PLC0415 - only here

    normal = NormalDist(0.0, sigma)
    quantiles = ((i + 0.5) / STATED_DRAWS for i in range(STATED_DRAWS))
    return Work(tuple(median_s * math.exp(normal.inv_cdf(q)) for q in quantiles), (init_s,))
