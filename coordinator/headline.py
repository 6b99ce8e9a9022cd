"""What a run took: seconds of tasks, seconds that passed, dollars, bytes read; by its own measurements alone."""

from dataclasses import dataclass

from coordinator.pipeline.estimate import LAMBDA_USD_PER_GB_S, LAMBDA_USD_PER_REQUEST
from lambdas.stages import find_stage, stage_names
from mycelium.manifest import Manifest
from mycelium.progress import format_seconds


@dataclass(frozen=True, slots=True)
class Headline:
    """What the last invocation of a run took.

    Attributes:
        task_s: seconds of all its tasks together, as each measured itself; those of chunks that were there before are
            the seconds of looking at them.
        wall_s: seconds from the start of the run to its manifest.
        usd: what was billed for its tasks, in US dollars; 0 on one's own machine, None where that is not known.
        bytes_read: bytes of input.
    """

    task_s: float
    wall_s: float
    usd: float | None
    bytes_read: int

    def describe(self) -> str:
        """Return it as one line."""
        together = f" ({self.task_s / self.wall_s:.1f} at once)" if self.wall_s > 0 else ""
        dollars = "dollars not known" if self.usd is None else "$0" if not self.usd else f"${self.usd:.4g}"
        return (
            f"{format_seconds(self.task_s)} of tasks in {format_seconds(self.wall_s)}{together}, {dollars}, "
            f"{self.bytes_read / 1e6:,.1f} MB read"
        )


def measure_run(manifest: Manifest) -> Headline:
    """Return what the last invocation of a run took, as its manifest says."""
    return Headline(
        task_s=sum(outcome.wall_s for outcome in manifest.outcomes),
        wall_s=manifest.wall_s,
        usd=_bill(manifest),
        bytes_read=sum(outcome.bytes_read for outcome in manifest.outcomes),
    )


def _bill(manifest: Manifest) -> float | None:
    if manifest.executor == "local":
        return 0.0
    billed_ms = sum(outcome.billed_ms for outcome in manifest.outcomes)
    # A state machine does not say what its functions were billed, and a GPU machine is billed by the hour, busy or not.
    if manifest.stage not in stage_names() or (not billed_ms and any(o.status == "done" for o in manifest.outcomes)):
        return None
    gb = find_stage(manifest.stage).memory_mb / 1024
    n_invocations = sum(outcome.attempts for outcome in manifest.outcomes if outcome.billed_ms)
    return billed_ms / 1000 * gb * LAMBDA_USD_PER_GB_S + n_invocations * LAMBDA_USD_PER_REQUEST
