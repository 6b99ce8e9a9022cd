"""Rounding: the error it may make, what it must leave alone, NumPy and torch alike."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.signals.rounding import COMPACT, round_to_bits, round_to_step

numbers = st.lists(st.floats(0, 4096, width=32), min_size=1, max_size=40)


@given(values=numbers, step=st.sampled_from([1 / 254, 1 / 32, 0.25]))
def test_a_multiple_is_half_a_step_away_at_most(values: list[float], step: float) -> None:
    exact = np.array(values)
    rounded = round_to_step(exact, step)
    assert np.all(np.abs(rounded - exact) <= step / 2 + 1e-9)
    np.testing.assert_allclose(rounded / step, np.rint(rounded / step), atol=1e-6)
    np.testing.assert_array_equal(round_to_step(rounded, step), rounded)


@given(values=numbers, bits=st.integers(0, 10))
def test_a_rounded_number_has_few_digits_and_a_small_share_of_error(values: list[float], bits: int) -> None:
    exact = np.array(values)
    rounded = round_to_bits(exact, bits)
    assert np.all(np.abs(rounded - exact) <= exact * 2.0 ** -(bits + 1))
    digits = np.frexp(rounded)[0] * 2.0 ** (bits + 1)
    np.testing.assert_array_equal(digits, np.rint(digits))


def test_nan_and_zero_stay() -> None:
    values = np.array([0.0, np.nan, 3.0], np.float32)
    for rounded in (round_to_step(values, 0.5), round_to_bits(values, 5)):
        np.testing.assert_array_equal(rounded, values)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_smallest_numbers_become_multiples_of_the_smallest_normal_one(
    kind: type[np.float32] | type[np.float64],
) -> None:
    least, smallest = float(np.finfo(kind).smallest_normal), float(np.finfo(kind).smallest_subnormal)
    values: npt.NDArray[Any] = np.array([smallest, least, 1.5 * least, 1024 * least], kind)
    for rounded in (round_to_bits(values, 5), round_to_bits(torch.from_numpy(values), 5).numpy()):
        np.testing.assert_array_equal(rounded, np.array([0, least, 2 * least, 1024 * least], kind))


@pytest.mark.parametrize("word", COMPACT)
@example(values=[1.401298464324817e-45])
@given(values=numbers)
def test_torch_rounds_as_numpy_does(word: str, values: list[float]) -> None:
    exact = np.array(values, np.float32)
    np.testing.assert_array_equal(COMPACT[word](torch.from_numpy(exact)).numpy(), COMPACT[word](exact))


@pytest.mark.parametrize(("word", "highest"), [("iaf", 1.0), ("jsd", 1.0), ("entropy", 7.97), ("connectivity", 250.0)])
def test_a_column_fits_a_byte_even_in_float16(word: str, highest: float) -> None:
    lowest = 1.0 if word == "connectivity" else 0.0
    rounded = COMPACT[word](np.linspace(lowest, highest, 100_000)).astype(np.float16)
    assert len(np.unique(rounded)) <= 256
    if word == "iaf":
        assert {0.0, 0.5, 1.0} <= set(rounded.tolist())
