"""Received attention: how much the generated tokens look back at each source token.

One source for NumPy and torch, through the array API.
"""

from typing import Any

from array_api_compat import array_namespace


def received_attention(attention: Any) -> Any:  # noqa: ANN401 - any array-API array
    """Return what each source token receives, summed over the generated tokens.

    received[b, h, s] = Σ_t A[b, h, t, s]

    It is a sum and no mean: each generated token has one unit to give, so that the sum over all s is their number. A
    late source token can receive from fewer of them than an early one; who wants to compare divides by how many come
    after it.

    Args:
        attention: A, shape (b, h, t, s), of the queries that produced generated tokens alone: the rows of the prompt
            are left out, and a row that stands for nothing is 0.

    Returns:
        Shape (b, h, s), in units of one token's attention, from 0 to t.
    """
    xp = array_namespace(attention)
    return xp.sum(attention, axis=-2)
