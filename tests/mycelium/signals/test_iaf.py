"""IAF against a slow float64 loop, and NumPy against torch."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.signals.iaf import attended_fraction

F64 = npt.NDArray[np.float64]


def make_case(seed: int, b: int = 2, h: int = 3, t: int = 4, s: int = 7) -> tuple[F64, F64, F64]:
    """Random attention, a part and a whole that contains it."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(b, h, t, s)) * 4
    attention = np.exp(scores - scores.max(-1, keepdims=True))
    attention /= attention.sum(-1, keepdims=True)
    whole = (rng.random((b, s)) < 0.8).astype(np.float64)
    return attention, whole * (rng.random((b, s)) < 0.5), whole


def slow_fraction(attention: F64, part: F64, whole: F64) -> F64:
    b, h, t, s = attention.shape
    out = np.zeros((b, h, t))
    for i in range(b):
        for j in range(h):
            for k in range(t):
                of = sum(attention[i, j, k, m] for m in range(s) if whole[i, m])
                to = sum(attention[i, j, k, m] for m in range(s) if part[i, m])
                out[i, j, k] = to / of if of > 0 else 0.0
    return out


@given(st.integers(0, 10_000))
def test_the_fast_way_is_the_slow_way(seed: int) -> None:
    case = make_case(seed)
    np.testing.assert_allclose(attended_fraction(*case), slow_fraction(*case), atol=1e-12)


def test_by_hand() -> None:
    attention = np.array([[[[0.5, 0.25, 0.25, 0.0], [0.6, 0.1, 0.1, 0.2]]]])
    whole, prompt = np.ones((1, 4)), np.array([[1, 1, 0, 0]])
    np.testing.assert_allclose(attended_fraction(attention, prompt, whole), [[[0.75, 0.7]]])
    # Without the first token, of the half that is left a half goes to the prompt; of the 0.4, a quarter.
    no_sink = np.array([[0, 1, 1, 1]])
    np.testing.assert_allclose(attended_fraction(attention, prompt * no_sink, whole * no_sink), [[[0.5, 0.25]]])


def test_it_is_0_where_nothing_is_attended_to() -> None:
    attention = np.array([[[[1.0, 0.0]]]])
    assert attended_fraction(attention, np.array([[0, 1]]), np.array([[0, 1]])) == 0


def test_it_never_leaves_0_to_1() -> None:
    attention = np.full((1, 1, 1, 49), np.float32(1 / 49))
    everything = np.ones((1, 49), np.float32)
    assert attended_fraction(attention, everything, everything).max() <= 1


def test_numpy_and_torch_agree() -> None:
    torch = pytest.importorskip("torch")
    case = make_case(3)
    ours = attended_fraction(*(torch.from_numpy(array) for array in case))
    np.testing.assert_allclose(ours.numpy(), attended_fraction(*case), atol=1e-12)
