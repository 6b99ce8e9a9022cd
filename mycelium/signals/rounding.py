"""Rounding a signal to few different values, so that it takes fewer bytes.

With at most 256 different values in a column a value takes a byte, and less after compression; as float16 was computed
it takes 1.5 to 1.8 bytes. `COMPACT` has what each signal is rounded to, and so the error it costs.

One source for NumPy and torch, through the array API.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from array_api_compat import array_namespace


def round_to_step(values: Any, step: float) -> Any:  # noqa: ANN401 - any array-API array
    """Return the nearest multiples of a step; halves go to the even one.

    Args:
        values: any shape.
        step: above 0.

    Returns:
        The same shape and type; off by step / 2 at most. NaN stays NaN.
    """
    xp = array_namespace(values)
    return xp.round(values / step) * step


def round_to_bits(values: Any, bits: int) -> Any:  # noqa: ANN401 - any array-API array
    """Return the nearest numbers whose binary fraction, after its leading one, has so many digits.

    Args:
        values: any shape, 0 or more.
        bits: 0 or more; float16 itself has 10.

    Returns:
        The same shape and type; off by a share of 2^−(bits+1) at most. 0 stays 0 and NaN stays NaN. Numbers so small
        that a step between them would not be a normal number become multiples of the smallest one that is.
    """
    xp = array_namespace(values)
    nothing = values == 0
    exponent = xp.floor(xp.log2(xp.where(nothing, xp.ones_like(values), values))) - bits
    # A subnormal step may be 0 where the device flushes it, and 0 / 0 is NaN.
    step = xp.clip(2.0**exponent, min=float(xp.finfo(values.dtype).smallest_normal))
    return xp.round(values / step) * step


COMPACT: Mapping[str, Callable[[Any], Any]] = {
    # 255 multiples, with 0, 1/2 and 1 among them: off by 0.002.
    "iaf": partial(round_to_step, step=1 / 254),
    "jsd": partial(round_to_step, step=1 / 254),
    # 256 multiples below 8 nats, the entropy of 2,980 equal sources: off by 0.016 nats.
    "entropy": partial(round_to_step, step=1 / 32),
    # 32 numbers in each doubling, 256 of them up to 256 sources: off by 1.6 %.
    "connectivity": partial(round_to_bits, bits=5),
}
"""How signals are rounded where few bytes are asked for, by their words; those not named are left as they are."""
