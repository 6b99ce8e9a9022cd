"""How many templates, where the number is known."""

import numpy as np
import pytest

from mycelium.bottleneck.elbow import (
    Gain,
    choose_k,
    count_templates,
    measure_relevance,
    measure_stability,
    score_labels,
    tabulate_gains,
)
from mycelium.bottleneck.hierarchy import Level, grow
from mycelium.bottleneck.information import entropy, mutual_information
from mycelium.bottleneck.posterior import fit_posterior
from mycelium.bottleneck.rows import Rows, Weights, in_memory, quantize
from mycelium.bottleneck.targets import Targets
from mycelium.errors import UserInputError

NAMES = ("a", "b", "c", "d", "e", "f")


def draw_kinds(n_kind: int, seed: int = 0) -> tuple[Rows, Targets, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Draw steps of some kinds, each of which favours one label, with labels drawn from the posterior itself."""
    generator = np.random.default_rng(seed)
    kind = generator.integers(0, n_kind, 3000)
    posterior = (np.eye(6) * 0.88 + 0.02)[kind]
    label = (generator.random((3000, 1)) > posterior.cumsum(axis=1)).sum(axis=1)
    # Steps of a kind differ a little, and in a way that says nothing of their labels.
    noisy = 0.98 * posterior + 0.02 * generator.dirichlet(np.ones(6), 3000)
    return quantize(noisy), Targets(NAMES, np.eye(6, dtype=np.float32)[label]), np.arange(3000) // 6


@pytest.mark.parametrize("n_kind", [2, 4, 6])
def test_as_many_templates_are_chosen_as_there_are_kinds(n_kind: int) -> None:
    rows, targets, groups = draw_kinds(n_kind)
    hierarchy = grow(in_memory(rows), 6, 12)
    assert len(hierarchy.levels) > n_kind
    choice = choose_k(hierarchy, rows, targets, groups)
    assert (choice.k, choice.significant_k) == (n_kind, n_kind)
    assert all(one.p_value == 0.001 for one in choice.held_out[1:n_kind])
    assert all(one.p_value > 0.01 for one in choice.held_out[n_kind:])


def test_shuffled_labels_leave_one_template() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(4000, 12)).astype(np.float32)
    label = (features[:, :4].argmax(axis=1) + generator.integers(0, 2, 4000)) % 5
    groups = np.arange(4000) // 8
    found = []
    for shuffled in (False, True):
        order = generator.permutation(4000) if shuffled else np.arange(4000)
        targets = Targets(NAMES[:5], np.eye(5, dtype=np.float32)[label[order]])
        posterior = fit_posterior(features, targets, groups)
        hierarchy = grow(in_memory(posterior.rows), 5, 12)
        found.append(choose_k(hierarchy, posterior.rows, targets, groups).k)
    assert found[0] >= 4
    assert found[1] == 1


def test_held_out_information_is_label_entropy_less_cross_entropy() -> None:
    rows = quantize(np.repeat([[0.75, 0.25], [0.25, 0.75]], 400, axis=0))
    label = np.tile([0, 0, 0, 1, 1, 1, 1, 0], 100)
    label = np.concatenate([np.tile([0, 0, 0, 1], 100), np.tile([1, 1, 1, 0], 100)])
    targets = Targets(("a", "b"), np.eye(2, dtype=np.float32)[label])
    level = grow(in_memory(rows), 2, 2).level(2)
    prior = np.array([0.5, 0.5])
    truth = mutual_information([[3, 1], [1, 3]])
    assert measure_relevance(level, rows, targets, prior) == pytest.approx(truth, abs=1e-4)
    scores = score_labels(level, rows, targets, prior)
    assert 1 + scores.mean() == pytest.approx(truth, abs=1e-4)


def test_templates_that_mislead_have_negative_information() -> None:
    rows = quantize(np.repeat([[0.95, 0.05], [0.05, 0.95]], 200, axis=0))
    wrong = Targets(("a", "b"), np.eye(2, dtype=np.float32)[np.repeat([1, 0], 200)])
    level = grow(in_memory(rows), 2, 2).level(2)
    assert measure_relevance(level, rows, wrong, np.array([0.5, 0.5])) < -2


def test_steps_without_a_label_are_not_asked() -> None:
    rows, targets, groups = draw_kinds(3)
    weights = targets.weights.copy()
    weights[::3] = 0
    hierarchy = grow(in_memory(rows), 6, 6)
    some = choose_k(hierarchy, rows, Targets(NAMES, weights), groups)
    keep = np.arange(3000) % 3 > 0
    kept = choose_k(hierarchy, rows[keep], Targets(NAMES, weights[keep]), groups[keep])
    assert some == kept


def test_thresholds_count_templates_in_both_readings() -> None:
    def gain(k: int, size: int, local_gain: float, floor: float) -> Gain:
        return Gain(k, 0, size, local_gain * size / 100, local_gain, floor, max(local_gain - floor, 0), 2.0)

    gains = [gain(2, 100, 0.5, 0.05), gain(3, 60, 0.31, 0.05), gain(4, 10, 0.9, 0.7)]
    low, high = count_templates(gains, (0.1, 0.3))
    assert (low.by_gain, low.by_local_gain, low.by_corrected_gain, low.paper) == (3, 4, 4, 60)
    assert (high.by_gain, high.by_local_gain, high.by_corrected_gain, high.paper) == (2, 4, 2, 6)


def test_the_floor_has_the_labels_and_the_size_of_the_parent_in_it() -> None:
    rows, _, _ = draw_kinds(4)
    hierarchy = grow(in_memory(rows), 6, 5)
    for row, split in zip(tabulate_gains(hierarchy), hierarchy.splits, strict=True):
        assert row.floor == pytest.approx(5 / (2 * split.size * np.log(2)))
        assert row.corrected_gain == pytest.approx(max(row.local_gain - row.floor, 0))
        assert (row.k, row.parent, row.size) == (split.k, split.parent, split.size)


def test_templates_of_kinds_are_stable_and_those_of_noise_are_not() -> None:
    rows, _, groups = draw_kinds(4)
    noise = quantize(np.random.default_rng(0).dirichlet(np.full(6, 20.0), 3000))

    def stability(these: Rows) -> float:
        def grow_again(weights: Weights) -> Level:
            return grow(in_memory(these, weights), 6, 4).level(4)

        return float(np.mean(measure_stability(grow_again, these, groups, n_resample=3)))

    assert stability(rows) > 0.99
    assert stability(noise) < 0.8


def test_one_resample_says_nothing() -> None:
    rows, _, groups = draw_kinds(2)
    with pytest.raises(UserInputError, match="at least two"):
        measure_stability(lambda weights: grow(in_memory(rows, weights), 6, 2).level(2), rows, groups, n_resample=1)


def test_the_permutations_are_the_seeds() -> None:
    rows, targets, groups = draw_kinds(3)
    hierarchy = grow(in_memory(rows), 6, 6)
    assert choose_k(hierarchy, rows, targets, groups, seed=4) == choose_k(hierarchy, rows, targets, groups, seed=4)
    assert float(entropy(targets.frequencies)) > choose_k(hierarchy, rows, targets, groups).held_out[-1].relevance
