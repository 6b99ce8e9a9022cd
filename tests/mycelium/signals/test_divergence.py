"""Divergence of windows against a slow loop, by hand, at its edges, and NumPy against torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.signals.divergence import window_divergence
from tests.mycelium.signals.matrices import make_attention, slow_divergence


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 12), st.sampled_from([0.1, 3.0, 50.0]))
def test_the_fast_way_is_the_slow_way(seed: int, window: int, t: int, sharpness: float) -> None:
    attention = make_attention(seed, t=t, sharpness=sharpness)
    ours = window_divergence(attention, window)
    assert ours.shape == (2, 2, t)
    for b, h, k in np.ndindex(*ours.shape):
        rows = attention[b, h]
        whole = window <= k <= t - window
        slow = slow_divergence(rows[k - window : k], rows[k : k + window]) if whole else 0.0
        np.testing.assert_allclose(ours[b, h, k], slow, atol=1e-12)


def test_by_hand() -> None:
    # Two tokens look at the first source, the next two at the second: the boundary is before the third token.
    left, right = [1.0, 0.0], [0.0, 1.0]
    attention = np.array([[[left, left, right, right]]])
    np.testing.assert_allclose(window_divergence(attention, 1), [[[0, 0, 1, 0]]])
    np.testing.assert_allclose(window_divergence(attention, 2), [[[0, 0, 1, 0]]])
    # A half in common: JSD of (1, 0) and (½, ½) is H(¾) − ½ bit.
    half = np.array([[[left, [0.5, 0.5]]]])
    np.testing.assert_allclose(window_divergence(half, 1)[0, 0, 1], 2 - 0.75 * np.log2(3) - 0.5)


def test_windows_that_look_at_the_same_do_not_diverge() -> None:
    row = make_attention(1, b=1, h=1, t=1)
    np.testing.assert_allclose(window_divergence(np.repeat(row, 20, axis=2), 4), 0, atol=1e-12)


def test_nan_goes_through_and_not_beyond_the_windows_it_is_in() -> None:
    attention = make_attention(2, t=20)
    attention[:, :, 10] = np.nan
    is_nan = np.isnan(window_divergence(attention, 3))
    assert is_nan[:, :, 8:14].all()
    assert not is_nan[:, :, :8].any()
    assert not is_nan[:, :, 14:].any()


def test_numpy_and_torch_agree() -> None:
    torch = pytest.importorskip("torch")
    attention = make_attention(3, t=20)
    ours = window_divergence(torch.from_numpy(attention), 4)
    np.testing.assert_allclose(ours.numpy(), window_divergence(attention, 4), atol=1e-12)
