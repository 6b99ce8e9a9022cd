"""What AWS bills a run for, by kind, and what that comes to at a table of prices."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from coordinator.cost.prices import PriceTable


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of each kind; two runs together used the sum.

    Attributes:
        gb_s: memory of functions times their time, in GB-seconds (GB of 1,024 MB, as Lambda counts).
        lambda_requests: invocations.
        s3_gets: objects read.
        s3_puts: objects written, and listings, which cost as much.
        transitions: state transitions of Step Functions.
    """

    gb_s: float = 0.0
    lambda_requests: float = 0.0
    s3_gets: float = 0.0
    s3_puts: float = 0.0
    transitions: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        """Return both together."""
        return Usage(*(getattr(self, name) + getattr(other, name) for name in _NAMES))

    def times(self, factor: float) -> "Usage":
        """Return so many times as much."""
        return Usage(*(getattr(self, name) * factor for name in _NAMES))


_NAMES = tuple(field.name for field in fields(Usage))


def add_usages(usages: Iterable[Usage]) -> Usage:
    """Return the sum of some usages."""
    total = Usage()
    for usage in usages:
        total += usage
    return total


@dataclass(frozen=True, slots=True)
class Cost:
    """What a usage comes to.

    Attributes:
        usage: how much of each kind.
        prices: the table that it was priced by.
        unknown: kinds of cost that the total lacks, each in a few words; empty if it lacks none.
    """

    usage: Usage
    prices: PriceTable
    unknown: tuple[str, ...] = ()

    @property
    def by_kind(self) -> dict[str, float]:
        """US dollars by kind, in the order of `Usage`."""
        usage, prices = self.usage, self.prices
        return {
            "gb_s": usage.gb_s * prices.gb_s,
            "lambda_requests": usage.lambda_requests * prices.lambda_request,
            "s3_gets": usage.s3_gets * prices.s3_get,
            "s3_puts": usage.s3_puts * prices.s3_put,
            "transitions": usage.transitions * prices.transition,
        }

    @property
    def usd(self) -> float:
        """US dollars, all kinds together."""
        return sum(self.by_kind.values())
