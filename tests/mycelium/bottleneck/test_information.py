"""Bits, by hand and by definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.bottleneck.information import (
    NATS_A_BIT,
    concentration,
    divergence,
    entropy,
    merge_cost,
    mutual_information,
    noise_floor,
)

seeds = st.integers(0, 2**32 - 1)


def test_everything_is_in_bits() -> None:
    assert entropy([0.5, 0.5]) == 1
    assert entropy([0.25] * 4) == 2
    assert divergence([1.0, 0.0], [0.5, 0.5]) == 1
    assert mutual_information([[1, 0], [0, 1]]) == 1
    assert pytest.approx(math.log(2)) == NATS_A_BIT


def test_what_cannot_happen_adds_nothing_and_what_should_not_adds_everything() -> None:
    assert entropy([1.0, 0.0]) == 0
    assert divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert divergence([0.5, 0.5, 0.0], [0.5, 0.5, 0.0]) == 0
    assert mutual_information(np.zeros((2, 2))) == 0


@given(seeds)
def test_mutual_information_is_the_divergence_from_independence(seed: int) -> None:
    joint = np.random.default_rng(seed).dirichlet(np.ones(12)).reshape(3, 4)
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    assert mutual_information(joint) == pytest.approx(float(divergence(joint.ravel(), apart.ravel())), abs=1e-12)


@given(seeds)
def test_merging_loses_what_two_clusters_say_about_the_label(seed: int) -> None:
    left, right = np.random.default_rng(seed).gamma(1, size=(2, 5))
    lost = mutual_information([left, right]) * (left.sum() + right.sum())
    assert float(merge_cost(left, right)) == pytest.approx(lost, abs=1e-9)
    assert float(merge_cost(left, 3 * left)) == pytest.approx(0, abs=1e-9)


def test_concentration_is_minus_rows_times_entropy() -> None:
    assert concentration([2.0, 2.0]) == -4
    assert concentration([0.0, 7.0]) == 0
    assert concentration([0.0, 0.0]) == 0


def test_the_noise_floor_is_what_random_labels_seem_to_say() -> None:
    generator = np.random.default_rng(1)
    side, label = generator.integers(0, 2, (500, 400)), generator.integers(0, 5, (500, 400))
    seen = [
        mutual_information(np.bincount(s * 5 + y, minlength=10).reshape(2, 5)) for s, y in zip(side, label, strict=True)
    ]
    assert np.mean(seen) == pytest.approx(float(noise_floor(5, 400)), rel=0.1)
    assert noise_floor(5, 0) == np.inf
