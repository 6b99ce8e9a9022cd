"""Input attention fraction: how much of a token's attention goes back to the problem.

One source for NumPy and torch, through the array API.
"""

from typing import Any

from array_api_compat import array_namespace


def attended_fraction(attention: Any, part: Any, whole: Any) -> Any:  # noqa: ANN401 - any array-API array
    """Return the share of attention, among the source tokens of `whole`, that goes to those of `part`.

    fraction[b, h, t] = Σ_s A[b, h, t, s]·part[b, s] / Σ_s A[b, h, t, s]·whole[b, s]

    IAF is this with `part` the prompt and `whole` every real token. With the attention sink excluded, the first real
    token is in neither, so that the rest of the attention is what the fraction is taken of; there is no cancellation
    in 1 − A_sink, which would be small exactly where the sink is strong.

    Args:
        attention: A, shape (b, h, t, s): each row the softmax over source tokens, 0 at padding and at the future.
        part: shape (b, s), 1 where the source token counts and 0 elsewhere.
        whole: shape (b, s), likewise; part ≤ whole.

    Returns:
        Shape (b, h, t), in [0, 1]; 0 where nothing of `whole` is attended to. In float32 that includes what comes
        below 1e-38: a sink whose score is 88 above all others' leaves nothing.
    """
    xp = array_namespace(attention, part, whole)
    masks = xp.stack([part, whole], axis=-1)
    sums = xp.matmul(attention, xp.astype(masks, attention.dtype)[:, None, :, :])
    numerator, denominator = sums[..., 0], sums[..., 1]
    nothing = denominator <= 0
    fraction = numerator / xp.where(nothing, xp.ones_like(denominator), denominator)
    # A rounding of the two sums may leave [0, 1] by one unit in the last place.
    return xp.clip(xp.where(nothing, xp.zeros_like(fraction), fraction), 0.0, 1.0)
