"""How many calls may be in flight: found out by what is throttled and what is let in."""

from dataclasses import dataclass, field

INCREASE_STEPS = 20
"""A limit that was never met again climbs back from nothing in so many rounds of answers."""

BORNE_SHARE = 1 / 3
"""The share of calls that may be throttled before the limit falls: each costs a request, and no task."""

FEW_THROTTLED = 10
"""Throttled calls from which nothing is concluded, whatever their share: they may be bad luck; nor from one call that
was throttled so often."""

FEW_CALLS = 20
"""Calls that are remembered at least."""


@dataclass(slots=True)
class Limit:
    """How many calls may be in flight: lowered where many are throttled, raised by what is let in.

    A throttled call never ran and costs a request; one in five that has to be made again costs less than the four that
    are not made. So the limit bears some, whatever their reason, and gives way when more than a third of the calls of
    about the last round were throttled, or one of them again and again: then to as many as are in flight, which were
    let in, but by no more than half at once. A round of answers, as many as may be in flight, adds a twentieth of the
    maximum, and no more than it had. ADR 0034 says what was measured.

    Source: additive increase and multiplicative decrease, Chiu and Jain (1989); a share that is borne, as in
    client-side throttling, Beyer et al., Site Reliability Engineering (2016), chapter 21.

    Attributes:
        maximum: what the limit never exceeds, and where it begins.
    """

    maximum: int
    _value: float = field(init=False)
    _lowered_s: float = float("-inf")
    _started: float = 0.0
    _throttled: float = 0.0

    def __post_init__(self) -> None:
        """Begin at the maximum."""
        self._value = self.maximum

    @property
    def value(self) -> int:
        """Calls that may be in flight now."""
        return int(self._value)

    def started(self) -> None:
        """Learn that a call was started."""
        self._started += 1
        if self._started > 2 * max(FEW_CALLS, self._value):  # of what was long ago, half is forgotten
            self._started, self._throttled = self._started / 2, self._throttled / 2

    def throttled(self, started_s: float, now_s: float, in_flight: int, times: int = 1) -> bool:
        """Learn that a call was throttled.

        Args:
            started_s: when it was started.
            now_s: the time.
            in_flight: how many others are in flight.
            times: how often it was throttled.

        Returns:
            Whether the limit fell.
        """
        if started_s < self._lowered_s:  # the limit that it met is lowered already
            return False
        self._throttled += 1
        if self._throttled <= FEW_THROTTLED + BORNE_SHARE * self._started and times <= FEW_THROTTLED:
            return False
        self._value = max(1.0, min(self._value, max(float(in_flight), self._value / 2)))
        self._lowered_s, self._started, self._throttled = now_s, 0.0, 0.0
        return True

    def answered(self) -> None:
        """Learn that a call was let in."""
        self._value = min(
            self.maximum, self._value + min(max(1.0, self.maximum / INCREASE_STEPS), self._value) / self._value
        )
