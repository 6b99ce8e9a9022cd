"""Entropy of attention: over how many source tokens it is spread, on the scale of a logarithm.

One source for NumPy and torch, through the array API.
"""

from typing import Any

from array_api_compat import array_namespace


def attention_entropy(attention: Any) -> Any:  # noqa: ANN401 - any array-API array
    """Return the Shannon entropy of each row of attention.

    entropy[b, h, t] = −Σ_s A[b, h, t, s]·ln A[b, h, t, s], where 0·ln 0 = 0.

    Args:
        attention: A, shape (b, h, t, s): each row the softmax over source tokens, 0 at padding and at the future.

    Returns:
        Shape (b, h, t), in nats, from 0 (one source has it all) to ln of the number of sources (all have the same).
    """
    xp = array_namespace(attention)
    nothing = attention == 0  # an equality, so that NaN goes through
    logs = xp.log(xp.where(nothing, xp.ones_like(attention), attention))
    entropy = -xp.sum(attention * logs, axis=-1)
    # A rounding may leave a row that has it all at one source a little below 0.
    return xp.where(entropy < 0, xp.zeros_like(entropy), entropy)
