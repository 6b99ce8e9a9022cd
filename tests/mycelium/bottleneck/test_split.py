"""Cuts along the relevance eigenvector."""

import numpy as np
import pytest

from mycelium.bottleneck.rows import UNIT, in_memory, quantize
from mycelium.bottleneck.split import relevance_axes, search_cuts
from tests.mycelium.bottleneck.answers import best_for_two_labels

EVERYTHING = np.full((1, 2), 0.5)


def test_eigenvalues_are_those_of_the_covariance_of_the_definition() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(6), 40)
    mean = rows.mean(axis=0)
    covariance = (rows - mean).T @ (rows - mean) / 40 @ np.diag(1 / mean)
    values, axes = relevance_axes(rows.T @ rows / 40, mean)
    assert values == pytest.approx(np.sort(np.linalg.eigvals(covariance).real)[::-1], abs=1e-12)
    assert covariance.T @ axes[0] == pytest.approx(values[0] * axes[0], abs=1e-9)


def test_a_label_that_nobody_has_takes_no_part() -> None:
    rows = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])
    values, axes = relevance_axes(rows.T @ rows / 2, rows.mean(axis=0))
    assert values == pytest.approx([0.64, 0, 0], abs=1e-12)
    assert np.isfinite(axes).all()


def test_two_kinds_of_rows_are_cut_apart() -> None:
    rows = quantize(np.repeat([[0.9, 0.1], [0.2, 0.8]], [30, 70], axis=0))
    (cut,) = search_cuts(in_memory(rows), EVERYTHING, [0], min_size=1)
    sizes = sorted(cut.parts.sum(axis=1) / UNIT)
    assert sizes == pytest.approx([30, 70], abs=1e-3)
    assert cut.gain / 100 == pytest.approx(best_for_two_labels(rows.astype(float), 2)[1], abs=1e-6)


def test_the_cut_for_two_labels_is_the_best_there_is_but_for_the_width_of_a_bin() -> None:
    rows = quantize(np.random.default_rng(1).dirichlet([0.6, 0.9], 1000))
    (cut,) = search_cuts(in_memory(rows), EVERYTHING, [0], min_size=1)
    best = best_for_two_labels(rows.astype(float), 2)[1]
    assert 0.99 * best < cut.gain / 1000 <= best + 1e-6


def test_no_part_is_smaller_than_asked() -> None:
    rows = quantize(np.repeat([[0.9, 0.1], [0.2, 0.8]], [3, 97], axis=0))
    (cut,) = search_cuts(in_memory(rows), EVERYTHING, [0], min_size=5)
    assert cut.gain == 0
    (cut,) = search_cuts(in_memory(rows), EVERYTHING, [0], min_size=3)
    assert cut.gain > 0


def test_rows_that_are_all_alike_are_never_cut() -> None:
    rows = quantize(np.full((200, 3), 1 / 3))
    (cut,) = search_cuts(in_memory(rows), np.full((1, 3), 1 / 3), [0], min_size=1)
    assert cut.gain == 0
    assert cut.critical_beta == np.inf


def test_the_critical_beta_is_the_one_of_the_symmetric_channel() -> None:
    rows = quantize(np.repeat([[0.9, 0.1], [0.1, 0.9]], 50, axis=0))
    (cut,) = search_cuts(in_memory(rows), EVERYTHING, [0], min_size=1)
    assert cut.critical_beta == pytest.approx(1 / 0.8**2, abs=1e-3)
