"""p(y|x), where it is known."""

import numpy as np
import pytest

from mycelium.bottleneck.information import entropy
from mycelium.bottleneck.logistic import Matrix, softmax
from mycelium.bottleneck.posterior import (
    calibration_error,
    deal_groups,
    fit_posterior,
    fit_temperature,
)
from mycelium.bottleneck.targets import Targets, encode_labels
from mycelium.errors import UserInputError

NAMES = ("add", "div", "mul")
Ids = np.ndarray[tuple[int], np.dtype[np.int64]]


def draw(seed: int = 0, n: int = 3000) -> tuple[Matrix, Targets, Ids, Matrix]:
    """Draw features, labels by a known p(y|x), and problems of three steps."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, 4)).astype(np.float32)
    truth = softmax(features @ np.array([[2, 0, -2], [0, 2, -1], [0, 0, 0], [1, 1, 1]]))
    label = (generator.random((n, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    return features, Targets(NAMES, np.eye(3, dtype=np.float32)[label]), np.arange(n) // 3, truth.astype(np.float32)


def test_known_probabilities_are_found_again_and_called_as_good_as_they_are() -> None:
    features, targets, groups, truth = draw()
    found = fit_posterior(features, targets, groups)
    assert np.abs(found.rows - truth).mean() < 0.02
    information = float(entropy(truth.mean(axis=0)) - entropy(truth).mean())
    assert found.quality.bound == pytest.approx(information, abs=0.05)
    assert found.quality.bound == pytest.approx(found.quality.label_entropy - found.quality.cross_entropy)
    assert found.quality.calibration_error < 0.03
    assert not found.is_degenerate
    assert np.abs(found.estimator.predict(features) - found.rows).mean() < 0.02


def test_a_step_is_judged_by_models_that_did_not_see_its_problem() -> None:
    """Steps of one problem are copies with one label of pure chance: whoever saw a copy would know it."""
    generator = np.random.default_rng(0)
    features = np.repeat(generator.normal(size=(300, 40)), 10, axis=0).astype(np.float32)
    label = np.repeat(generator.integers(0, 3, 300), 10)
    targets = Targets(NAMES, np.eye(3, dtype=np.float32)[label])
    assert fit_posterior(features, targets, np.repeat(np.arange(300), 10)).quality.bound < 0.02
    assert fit_posterior(features, targets, np.arange(3000)).quality.bound > 0.05


def test_temperatures_cool_what_is_too_sure() -> None:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(600, 60)).astype(np.float32)
    label = (features[:, 0] + 2 * generator.normal(size=600) > 0).astype(int)
    targets = Targets(NAMES[:2], np.eye(2, dtype=np.float32)[label])
    quality = fit_posterior(features, targets, np.arange(600), ridge=0.01).quality
    assert all(temperature > 1.2 for temperature in quality.temperatures)
    assert quality.calibration_error < quality.calibration_error_before


def test_the_temperature_of_probabilities_that_are_right_is_one() -> None:
    _, targets, _, truth = draw()
    logits = np.log(truth)
    everything = np.arange(len(truth))
    assert fit_temperature(logits, targets.weights, everything) == pytest.approx(1, abs=0.05)
    assert fit_temperature(3 * logits, targets.weights, everything) == pytest.approx(
        3 * fit_temperature(logits, targets.weights, everything), rel=1e-3
    )


def test_calibration_error_by_hand() -> None:
    assert calibration_error(np.array([0.8] * 10), np.array([1.0] * 8 + [0.0] * 2)) == pytest.approx(0)
    assert calibration_error(np.array([1.0, 1.0, 0.5, 0.5]), np.array([1.0, 0, 1, 0])) == pytest.approx(0.25)


def test_steps_without_a_label_get_a_row_and_teach_nothing() -> None:
    features, targets, groups, _ = draw()
    weights = targets.weights.copy()
    weights[::4] = 0
    found = fit_posterior(features, Targets(NAMES, weights), groups)
    weights[::4] = 0
    features[::4] *= 1
    assert found.quality.n == 2250
    assert found.rows[::4].sum(axis=1) == pytest.approx(np.ones(750), abs=1e-6)
    kept = np.arange(3000) % 4 > 0
    alone = fit_posterior(features[kept], Targets(NAMES, weights[kept]), groups[kept])
    assert np.abs(alone.rows - found.rows[kept]).max() < 0.02


def test_labels_that_follow_from_the_step_are_called_degenerate() -> None:
    generator = np.random.default_rng(0)
    features = np.repeat(np.eye(3) * 10, 300, axis=0).astype(np.float32)
    features += generator.normal(size=features.shape).astype(np.float32) * 0.01
    targets = Targets(NAMES, np.repeat(np.eye(3, dtype=np.float32), 300, axis=0))
    found = fit_posterior(features, targets, generator.integers(0, 100, 900), ridge=1e-3)
    assert found.is_degenerate
    assert found.quality.accuracy == 1


def test_groups_are_dealt_out_evenly_and_by_the_seed() -> None:
    folds = deal_groups(23, 5, seed=1)
    assert sorted(np.bincount(folds)) == [4, 4, 5, 5, 5]
    assert folds.tolist() == deal_groups(23, 5, seed=1).tolist() != deal_groups(23, 5, seed=2).tolist()


def test_the_same_input_gives_the_same_bytes() -> None:
    features, targets, groups, _ = draw(n=600)
    left, right = (fit_posterior(features, targets, groups) for _ in range(2))
    assert left.rows.tobytes() == right.rows.tobytes()
    assert left.estimator.model.weights.tobytes() == right.estimator.model.weights.tobytes()


def test_soft_labels_are_shared_out() -> None:
    features, _, groups, _ = draw(n=600)
    targets = encode_labels([["add", "mul"]] * 300 + [["div"]] * 300)
    found = fit_posterior(features, targets, groups)
    assert found.rows.mean(axis=0) == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def spoil(what: str) -> tuple[Matrix, Targets, Ids]:
    features, targets, groups, _ = draw(n=60)
    if what == "NaN":
        features[17, 2] = np.nan
    elif what == "constant":
        features[:] = 3
    elif what == "float64":
        features = features.astype(np.float64)
    elif what == "one label":
        targets = Targets(NAMES, np.tile(np.eye(3, dtype=np.float32)[1], (60, 1)))
    elif what == "few problems":
        groups = groups % 4
    elif what == "lengths":
        groups = groups[:-1]
    return features, targets, groups


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("NaN", "that of step 17 is not"),
        ("constant", "every embedding is the same"),
        ("float64", "a table of float32"),
        ("one label", "at least two different labels"),
        ("few problems", "4 problems can't be dealt out to 5 folds"),
        ("lengths", "got 60, 60 and 59"),
    ],
)
def test_what_cannot_be_used_is_refused(what: str, said: str) -> None:
    with pytest.raises(UserInputError, match=said):
        fit_posterior(*spoil(what))


def test_features_of_another_length_are_refused() -> None:
    features, targets, groups, _ = draw(n=300)
    estimator = fit_posterior(features, targets, groups).estimator
    with pytest.raises(UserInputError, match="are 4 numbers long.*got 3: are they of another model"):
        estimator.predict(features[:, :3])


def test_without_labels_there_is_no_bottleneck() -> None:
    features, _, groups, _ = draw(n=60)
    with pytest.raises(TypeError, match="targets"):
        fit_posterior(features, groups=groups)  # type: ignore[call-arg]
