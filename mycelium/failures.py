"""When a run gives up: a pure decision over what became of its chunks so far.

A chunk that fails is that chunk's failure, and the others are run. But a run whose chunks all fail alike will not get
better, and every further one is paid for.
"""

from dataclasses import dataclass, field

from mycelium.errors import UserInputError
from mycelium.manifest import Outcome

BREAKER = 20
"""Chunks that fail alike, from the first on, until a run gives up: more than a few bad chunks, less than a bill."""


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """How much failure a run bears.

    Attributes:
        max_failed: chunks that may fail; None for any number.
        max_share: the share of the run's chunks that may fail, 0 to 1; None for all.
        breaker: the run ends when this many chunks came first and all failed by one kind of error; None for never.
    """

    max_failed: int | None = None
    max_share: float | None = None
    breaker: int | None = None


def parse_policy(text: str | None) -> FailurePolicy:
    """Return the policy that ``--max-failures`` names: ``12``, or ``5%``. The breaker is in every one of them.

    Raises:
        UserInputError: it is neither a number nor a percentage.
    """
    if text is None:
        return FailurePolicy(breaker=BREAKER)
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / 100 if percent else int(number)
    except ValueError:
        value = -1
    if not 0 <= value <= (1 if percent else 1 << 62):
        raise UserInputError(f"--max-failures is a number of chunks, or a share such as 5%; got {text!r}")
    return FailurePolicy(None, float(value), BREAKER) if percent else FailurePolicy(int(value), None, BREAKER)


@dataclass(slots=True)
class FailureCount:
    """What became of a run's chunks so far, as far as the policy cares.

    Attributes:
        policy: how much the run bears.
        n_chunks: chunks of the run.
    """

    policy: FailurePolicy
    n_chunks: int
    _seen: int = 0
    _failed: int = 0
    _kinds: set[str | None] = field(default_factory=set)

    def add(self, outcome: Outcome) -> str | None:
        """Take an outcome; return why the run is to end, in words, or None if it is to go on."""
        self._seen += 1
        if outcome.status != "failed":
            return None
        self._failed += 1
        self._kinds.add(outcome.error_kind)
        policy = self.policy
        if policy.breaker and self._seen == self._failed == policy.breaker and len(self._kinds) == 1:
            return f"the first {self._failed} chunks all failed by {outcome.error_kind}"
        if policy.max_failed is not None and self._failed > policy.max_failed:
            return f"{self._failed} chunks failed, and --max-failures bears {policy.max_failed}"
        if policy.max_share is not None and self._failed > policy.max_share * self.n_chunks:
            return f"{self._failed} of {self.n_chunks} chunks failed, and --max-failures bears {policy.max_share:.0%}"
        return None
