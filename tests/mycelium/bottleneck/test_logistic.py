"""The fit and its optimiser."""

import numpy as np
import pytest

from mycelium.bottleneck.logistic import Floats, fit_logistic, measure_features, minimize, softmax


def test_the_minimum_of_a_badly_scaled_bowl_is_found() -> None:
    scale = np.array([1.0, 100.0, 10_000.0])

    def bowl(point: Floats) -> tuple[float, Floats]:
        away = point - 3
        return float(scale @ away**2), 2 * scale * away

    assert minimize(bowl, np.zeros(3), 100, 1e-15) == pytest.approx([3, 3, 3], abs=1e-5)


def test_a_minimum_is_not_left() -> None:
    def bowl(point: Floats) -> tuple[float, Floats]:
        return float(point @ point), 2 * point

    assert minimize(bowl, np.zeros(2), 10, 1e-9).tolist() == [0, 0]


def test_the_fit_has_no_slope_left() -> None:
    """At the least Σ cross-entropy + ridge / 2 ‖W‖², Xᵀ(p − y) + ridge W = 0, features standardised."""
    generator = np.random.default_rng(0)
    x = (generator.normal(size=(300, 4)) * [1, 10, 0.1, 1] + 5).astype(np.float32)
    label = (x @ [1, 0.1, 10, -1] - 5 + generator.logistic(size=300) > 56).astype(int) + generator.integers(0, 2, 300)
    y = np.eye(3, dtype=np.float32)[label]
    rows = np.arange(300)
    model = fit_logistic(x, y, rows, ridge=2.0, max_iterations=500, tolerance=1e-12)
    mean, deviation = measure_features(x, rows)
    residual = softmax(model.logits(x)) - y
    slope = ((x - mean) / deviation).T @ residual + 2.0 * model.weights * deviation[:, None]
    assert np.abs(slope).max() < 0.02
    assert np.abs(residual.sum(axis=0)).max() < 0.02


def test_known_probabilities_are_found_again() -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(20_000, 2)).astype(np.float32)
    truth = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    p = softmax(x @ truth + [0.2, 0, -0.2])
    y = np.eye(3, dtype=np.float32)[(generator.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1)]
    fitted = softmax(fit_logistic(x, y, np.arange(20_000), ridge=1.0).logits(x))
    assert np.abs(fitted - p).max() < 0.05


def test_a_constant_feature_and_a_label_that_is_absent_do_no_harm() -> None:
    x = np.array([[0, 7], [1, 7], [0, 7], [1, 7]], np.float32)
    y = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    model = fit_logistic(x, y, np.arange(4), ridge=0.1)
    p = softmax(model.logits(x))
    assert model.weights[1].tolist() == [0, 0, 0]
    assert p[0, 0] > 0.7
    assert 0 < p[:, 2].max() < 0.1


def test_softmax_does_not_overflow() -> None:
    assert softmax([[1e6, 0.0]]).tolist() == [[1, 0]]
    assert softmax([1.0, 0.0], temperature=1e9) == pytest.approx([0.5, 0.5])
