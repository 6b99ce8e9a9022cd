"""What is tried again, how often and after how long: one table, by kind of failure.

Only what can heal is tried again. A chunk that runs out of memory or time, or that the stage refuses, does so again at
the same price; a throttled invocation never ran, and costs nothing to repeat. Every wait is drawn at random below its
bound ("full jitter"), so that a thousand invocations that failed together don't come back together.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass


class Kind(enum.Enum):
    """A kind of failure; its value is the outcome's `error_kind`, unless the stage's own error has a name."""

    THROTTLED = "Throttled"
    SERVICE = "ServiceError"
    STORE = "StoreNotAvailable"
    CRASH = "FunctionCrashed"
    TIMEOUT = "TimedOut"
    MEMORY = "OutOfMemory"
    TOO_LARGE = "TooLarge"
    STAGE = "StageError"
    HANDLER = "HandlerError"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of failure is met.

    Attributes:
        tries: invocations of one chunk that may fail in this way before the chunk does.
        base_s: bound of the first wait; it doubles with each one that follows.
        cap_s: bound of the longest wait.
        why: why it is tried again, or why not.
    """

    tries: int
    base_s: float
    cap_s: float
    why: str


Table = Mapping[Kind, Rule]

RETRY_TABLE: Table = {
    Kind.THROTTLED: Rule(60, 0.005, 20.0, "it never ran, and costs nothing; the limit falls if most are"),
    Kind.SERVICE: Rule(6, 0.5, 20.0, "Lambda's own 5xx or a broken connection; both pass"),
    Kind.STORE: Rule(3, 1.0, 20.0, "a store may be away for a moment; if it stays away, the run ends"),
    Kind.CRASH: Rule(3, 0.5, 10.0, "environments die with the machines under them"),
    Kind.TIMEOUT: Rule(2, 0.0, 0.0, "a slow neighbour may be gone; twice the full timeout is billed, and no more"),
    Kind.MEMORY: Rule(1, 0.0, 0.0, "the same chunk needs the same memory: raise the stage's memory_mb"),
    Kind.TOO_LARGE: Rule(1, 0.0, 0.0, "the same chunk has the same size"),
    Kind.STAGE: Rule(1, 0.0, 0.0, "a pure function gives the same answer twice"),
    Kind.HANDLER: Rule(1, 0.0, 0.0, "the function itself is broken: deploy again"),
    Kind.REFUSED: Rule(1, 0.0, 0.0, "no such function, or no right to it: the run ends"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One invocation that failed.

    Attributes:
        kind: what kind of failure it is.
        message: the error in one line.
        name: the error's own name where it has one.
    """

    kind: Kind
    message: str
    name: str | None = None

    @property
    def error_kind(self) -> str:
        """What the chunk's outcome calls it."""
        return self.name or self.kind.value


def wait_before_retry_s(rule: Rule, failures: int, random: Callable[[], float]) -> float | None:
    """Return how long to wait before the next try; None if there is none.

    Args:
        rule: of the failure's kind.
        failures: how often the chunk has failed in this way, from 1.
        random: draws from [0, 1).
    """
    if failures >= rule.tries:
        return None
    return random() * min(rule.cap_s, rule.base_s * 2.0 ** min(failures - 1, 60))
