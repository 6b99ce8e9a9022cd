"""Connectivity by hand, its bounds, and NumPy against torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.signals.connectivity import effective_sources
from mycelium.signals.entropy import attention_entropy
from tests.mycelium.signals.matrices import make_attention


def test_by_hand() -> None:
    attention = np.array([[[[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.25] * 4, [0.8, 0.2, 0, 0], [0.0] * 4]]])
    np.testing.assert_allclose(effective_sources(attention), [[[2, 1, 4, 1 / 0.68, 0]]])


@given(st.integers(0, 10_000), st.sampled_from([0.1, 3.0, 50.0]))
def test_it_is_1_at_least_and_at_most_what_the_entropy_counts(seed: int, sharpness: float) -> None:
    # Rényi's entropies fall with their order, and Shannon's is that of order 1.
    attention = make_attention(seed, sharpness=sharpness)
    connectivity = effective_sources(attention)
    assert (connectivity >= 1 - 1e-12).all()
    assert (connectivity <= np.exp(attention_entropy(attention)) + 1e-9).all()
    assert (connectivity <= (attention > 0).sum(-1) + 1e-9).all()


@given(st.integers(0, 10_000))
def test_the_fast_way_is_the_slow_way(seed: int) -> None:
    attention = make_attention(seed)
    slow = np.apply_along_axis(lambda row: 1 / sum(a * a for a in row), -1, attention)
    np.testing.assert_allclose(effective_sources(attention), slow, rtol=1e-12)


def test_nan_goes_through() -> None:
    assert np.isnan(effective_sources(np.array([[[[np.nan, 0.5]]]])))


def test_numpy_and_torch_agree() -> None:
    torch = pytest.importorskip("torch")
    attention = make_attention(3)
    ours = effective_sources(torch.from_numpy(attention))
    np.testing.assert_allclose(ours.numpy(), effective_sources(attention), rtol=1e-12)
