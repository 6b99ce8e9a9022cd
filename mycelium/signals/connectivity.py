"""Connectivity of attention: with how many source tokens a token is connected.

The paper names this signal and does not define it. What was chosen is the inverse participation ratio, also known as
the effective number of sources or Rényi's entropy of order 2 as a count: it has a unit (tokens), needs no threshold,
and is a sum over the row, so that one pass gives it. It differs from the entropy in what it listens to: squares count
the few strong connections, logarithms the many weak ones too. It is not divided by the number of sources there are:
that number grows by one with each token, and would put the position into the signal; who wants the share divides.

One source for NumPy and torch, through the array API.
"""

from typing import Any

from array_api_compat import array_namespace


def effective_sources(attention: Any) -> Any:  # noqa: ANN401 - any array-API array
    """Return the effective number of source tokens of each row of attention.

    connectivity[b, h, t] = 1 / Σ_s A[b, h, t, s]²

    Args:
        attention: A, shape (b, h, t, s): each row the softmax over source tokens, 0 at padding and at the future.

    Returns:
        Shape (b, h, t), in tokens, from 1 (one source has it all) to the number of sources (all have the same); 0 for
        a row that is 0 everywhere.
    """
    xp = array_namespace(attention)
    squares = xp.sum(attention * attention, axis=-1)
    nothing = squares == 0  # an equality, so that NaN goes through
    return xp.where(nothing, xp.zeros_like(squares), 1 / xp.where(nothing, xp.ones_like(squares), squares))
