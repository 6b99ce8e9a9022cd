"""Divergence between adjacent windows of attention: where a step ends and the next begins, in the paper's words.

One source for NumPy and torch, through the array API.
"""

from typing import Any

from array_api_compat import array_namespace


def window_divergence(attention: Any, window: int) -> Any:  # noqa: ANN401 - any array-API array
    """Return the Jensen-Shannon divergence between the mean attention just before and just after each token.

    P_t = mean of A over the rows t−w … t−1, Q_t = mean over t … t+w−1, M = (P + Q)/2, and
    divergence[b, h, t] = ½ Σ_s P·log₂(P/M) + ½ Σ_s Q·log₂(Q/M).

    Both windows must be whole: where t < w or t > n − w, for n rows, the divergence is 0, since a window cut short is
    noisier than the others, and would show a boundary at each end that nothing but the end has made.

    Args:
        attention: A, shape (b, h, t, s): each row a distribution over source tokens.
        window: w, in generated tokens, at least 1.

    Returns:
        Shape (b, h, t), in bits, from 0 (the windows look at the same) to 1 (at nothing in common).

    Source: the paper's step boundaries, JSD(A_{t−w:t} ‖ A_{t:t+w}); the unit and the ends are our choice.
    """
    xp = array_namespace(attention)
    n = attention.shape[-2]
    if n < 2 * window:
        return xp.zeros_like(attention[..., 0])
    # Sums of shifted rows: no difference of running sums, which would cancel where a sink has grown large.
    means = attention[..., : n - window + 1, :] / window
    for shift in range(1, window):
        means = means + attention[..., shift : n - window + 1 + shift, :] / window
    before, after = means[..., : n - 2 * window + 1, :], means[..., window:, :]
    middle = (before + after) / 2
    inner = (_relative_entropy(before, middle) + _relative_entropy(after, middle)) / 2
    edge = xp.zeros_like(attention[..., 0])
    divergence = xp.concat([edge[..., :window], inner, edge[..., : window - 1]], axis=-1)
    # Roundings may leave [0, 1] by a little; NaN goes through.
    return xp.clip(divergence, 0.0, 1.0)


def _relative_entropy(of: Any, to: Any) -> Any:  # noqa: ANN401 - any array-API array
    """Return Σ_s of·log₂(of/to), where 0·log 0 = 0 and `to` is 0 only where `of` is."""
    xp = array_namespace(of, to)
    nothing = of == 0
    one = xp.ones_like(of)
    ratio = xp.where(nothing, one, of) / xp.where(nothing, one, to)
    return xp.sum(of * xp.log2(ratio), axis=-1)
