"""Entropy against a slow loop, by hand, and NumPy against torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.signals.entropy import attention_entropy
from tests.mycelium.signals.matrices import make_attention, slow_entropy


@given(st.integers(0, 10_000), st.sampled_from([0.1, 3.0, 50.0]))
def test_the_fast_way_is_the_slow_way(seed: int, sharpness: float) -> None:
    attention = make_attention(seed, sharpness=sharpness)
    slow = np.apply_along_axis(slow_entropy, -1, attention)
    np.testing.assert_allclose(attention_entropy(attention), slow, atol=1e-12)


def test_by_hand() -> None:
    attention = np.array([[[[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.25] * 4, [0.0] * 4]]])
    np.testing.assert_allclose(attention_entropy(attention), [[[np.log(2), 0, np.log(4), 0]]])


def test_it_is_never_below_0() -> None:
    almost_one = np.full((1, 1, 1, 1), np.nextafter(np.float32(1), np.float32(2)))
    assert attention_entropy(almost_one) == 0


def test_nan_goes_through() -> None:
    assert np.isnan(attention_entropy(np.array([[[[np.nan, 0.5]]]])))


def test_numpy_and_torch_agree() -> None:
    torch = pytest.importorskip("torch")
    attention = make_attention(3)
    ours = attention_entropy(torch.from_numpy(attention))
    np.testing.assert_allclose(ours.numpy(), attention_entropy(attention), atol=1e-12)
