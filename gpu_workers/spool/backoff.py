"""How long to wait before the next attempt."""

import random
from collections.abc import Callable

BASE_S = 0.25
CAP_S = 30.0


def draw_wait(attempt: int, draw: Callable[[], float] = random.random, base_s: float = BASE_S) -> float:
    """Draw a wait at random below ``min(CAP_S, base_s · 2^attempt)``, so that what failed together comes back apart.

    Args:
        attempt: how many have failed before this one, from 0.
        draw: a number from [0, 1).
        base_s: the bound of the first wait, seconds.
    """
    return draw() * min(CAP_S, base_s * 2.0 ** min(attempt, 30))
