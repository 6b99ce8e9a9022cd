"""What a run took: seconds of tasks, seconds that passed, dollars, bytes read; by its own measurements alone."""

from dataclasses import dataclass

from coordinator.cost.actual import CLOUD, actual_cost
from coordinator.cost.prices import LIST_PRICES, PriceTable
from coordinator.cost.tell import format_usd
from mycelium.manifest import Manifest
from mycelium.progress import format_seconds


@dataclass(frozen=True, slots=True)
class Headline:
    """What the last invocation of a run took.

    Attributes:
        task_s: seconds of all its tasks together, as each measured itself; those of chunks that were there before are
            the seconds of looking at them.
        wall_s: seconds from the start of the run to its manifest.
        usd: what that cost, in US dollars; 0 on one's own machine, None where it is not known.
        usd_lacks: kinds of cost that are not in it, each in a few words.
        bytes_read: bytes of input.
    """

    task_s: float
    wall_s: float
    usd: float | None
    usd_lacks: tuple[str, ...]
    bytes_read: int

    def describe(self) -> str:
        """Return it as one line."""
        together = f" ({self.task_s / self.wall_s:.1f} at once)" if self.wall_s > 0 else ""
        dollars = "dollars not known" if self.usd is None else format_usd(self.usd)
        return (
            f"{format_seconds(self.task_s)} of tasks in {format_seconds(self.wall_s)}{together}, "
            f"{'at least ' if self.usd_lacks else ''}{dollars}, {self.bytes_read / 1e6:,.1f} MB read"
        )


def measure_run(manifest: Manifest, prices: PriceTable = LIST_PRICES) -> Headline:
    """Return what the last invocation of a run took, as its manifest says.

    Args:
        manifest: the run's.
        prices: what each kind of cost is reckoned with.
    """
    cost = actual_cost(manifest, prices)
    # A GPU machine is billed by the hour, busy or not, and its manifest does not say how many.
    is_known = manifest.executor == "local" or manifest.executor in CLOUD
    task_s, bytes_read = 0.0, 0
    for outcome in manifest.outcomes:  # once: those of a long run are read from the store
        task_s += outcome.wall_s
        bytes_read += outcome.bytes_read
    return Headline(task_s, manifest.wall_s, cost.usd if is_known else None, cost.unknown, bytes_read)
