"""Received attention by hand, what it adds up to, and NumPy against torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.signals.received import received_attention
from tests.mycelium.signals.matrices import make_attention


def test_by_hand() -> None:
    attention = np.array([[[[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [0.0, 0.0, 0.0]]]])
    np.testing.assert_allclose(received_attention(attention), [[[0.75, 0.75, 0.5]]])


@given(st.integers(0, 10_000))
def test_what_is_given_is_received(seed: int) -> None:
    attention = make_attention(seed, t=5)
    received = received_attention(attention)
    assert received.shape == (2, 2, 7)
    np.testing.assert_allclose(received.sum(-1), 5.0)
    np.testing.assert_allclose(received[1, 1, 3], sum(attention[1, 1, k, 3] for k in range(5)))


def test_numpy_and_torch_agree() -> None:
    torch = pytest.importorskip("torch")
    attention = make_attention(3)
    ours = received_attention(torch.from_numpy(attention))
    np.testing.assert_allclose(ours.numpy(), received_attention(attention), atol=1e-12)
