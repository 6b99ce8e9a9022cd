"""Templates beside the best of all groupings."""

import numpy as np
import pytest

from mycelium.bottleneck.hierarchy import grow
from mycelium.bottleneck.polish import cluster, polish
from mycelium.bottleneck.rows import assign, in_memory, quantize
from mycelium.errors import UserInputError
from tests.mycelium.bottleneck.answers import best_by_brute_force, best_for_two_labels, information


@pytest.mark.parametrize("n", [5, 7, 9])
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("n_label", [2, 3, 6])
def test_the_best_of_all_groupings_is_found(n: int, k: int, n_label: int) -> None:
    for seed in range(4):
        rows = quantize(np.random.default_rng(seed).dirichlet(np.full(n_label, 0.7), n))
        level, ids = cluster(rows, k, n_restart=30, seed=seed)
        assert level.k == k
        assert level.relevance == pytest.approx(best_by_brute_force(rows.astype(float), k), abs=1e-6)
        assert level.relevance == pytest.approx(information(rows.astype(float), ids.astype(np.int64), k), abs=1e-6)


def test_for_two_labels_the_exact_optimum_is_found() -> None:
    rows = quantize(np.random.default_rng(0).dirichlet([0.5, 0.8], 200))
    exact = best_for_two_labels(rows.astype(float), 6)
    for k in range(1, 7):
        found = cluster(rows, k, n_restart=20, seed=1)[0].relevance
        assert found <= exact[k - 1] + 1e-6
        assert found == pytest.approx(exact[k - 1], abs=2e-5)


def test_polishing_never_loses_and_leaves_nothing_to_gain() -> None:
    rows = quantize(np.random.default_rng(4).dirichlet(np.full(8, 0.5), 400))
    level = grow(in_memory(rows), 8, 12, min_size=5).level(12)
    better, ids = polish(rows, level, min_size=5, max_sweeps=50)
    assert better.relevance >= level.relevance
    assert better.counts.min() >= 5
    assert np.bincount(ids, minlength=12).tolist() == better.counts.tolist()
    values = rows.astype(float)
    for place in range(0, 400, 7):
        for t in range(12):
            moved = ids.astype(np.int64)
            moved[place] = t
            if np.bincount(moved, minlength=12).min() >= 5:
                assert information(values, moved, 12) <= better.relevance + 1e-7


def test_a_weight_is_so_many_rows() -> None:
    generator = np.random.default_rng(6)
    rows = quantize(generator.dirichlet(np.full(4, 0.5), 60))
    weights = generator.integers(1, 4, 60)
    level = grow(in_memory(rows, weights), 4, 5, min_size=3).level(5)
    better, ids = polish(rows, level, weights=weights, min_size=3)
    repeated = np.repeat(ids, weights).astype(np.int64)
    truth = information(np.repeat(rows, weights, axis=0).astype(float), repeated, 5)
    assert better.relevance == pytest.approx(truth, abs=1e-6)
    assert better.relevance >= level.relevance
    assert np.bincount(ids, weights).tolist() == better.counts.tolist()


def test_more_templates_than_different_posteriors_are_refused() -> None:
    rows = quantize(np.repeat([[0.5, 0.5], [0.9, 0.1]], 10, axis=0))
    assert cluster(rows, 2)[0].counts.tolist() in ([10, 10], [10, 10])
    with pytest.raises(UserInputError, match="2 different posteriors make from 1 to 2 templates; asked for 3"):
        cluster(rows, 3)


def test_templates_of_a_size_that_cannot_be_are_refused() -> None:
    rows = quantize(np.random.default_rng(0).dirichlet(np.ones(3), 10))
    with pytest.raises(UserInputError, match="3 templates of at least 5 rows were not found"):
        cluster(rows, 3, min_size=5)


def test_the_same_seed_gives_the_same_templates() -> None:
    rows = quantize(np.random.default_rng(2).dirichlet(np.full(5, 0.5), 100))
    left, right = (cluster(rows, 4, seed=3)[0] for _ in range(2))
    assert left.labels.tobytes() == right.labels.tobytes()
    assert assign(rows, left.centroids).tobytes() == assign(rows, right.centroids).tobytes()
