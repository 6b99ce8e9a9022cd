"""Growth of templates: exact in chunks, bounded, and never small."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.bottleneck.hierarchy import Hierarchy, grow, refine
from mycelium.bottleneck.information import mutual_information
from mycelium.bottleneck.polish import cluster, polish
from mycelium.bottleneck.rows import UNIT, Question, Rows, Sums, accumulate, assign, in_memory, over_chunks, quantize
from mycelium.errors import UserInputError
from tests.mycelium.bottleneck.answers import best_for_two_labels

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, n: int = 2000, n_label: int = 8) -> Rows:
    return quantize(np.random.default_rng(seed).dirichlet(np.full(n_label, 0.3), n))


def in_chunks(rows: Rows, n_chunk: int, seed: int) -> Hierarchy:
    generator = np.random.default_rng(seed)
    parts = np.split(rows, np.sort(generator.integers(0, len(rows), n_chunk - 1)))

    def ask(question: Question) -> list[Sums]:
        return [accumulate(parts[i], question) for i in generator.permutation(n_chunk)]

    return grow(over_chunks(ask), rows.shape[1], 12)


def as_bytes(hierarchy: Hierarchy) -> bytes:
    return b"".join(level.centroids.tobytes() + level.labels.tobytes() for level in hierarchy.levels)


@pytest.mark.parametrize("n_chunk", [1, 7, 117])
def test_chunks_anywhere_grow_the_same_templates_as_rows_in_memory(n_chunk: int) -> None:
    rows = draw(1)
    plain = grow(in_memory(rows), 8, 12)
    other = in_chunks(rows, n_chunk, seed=n_chunk)
    assert as_bytes(other) == as_bytes(plain)
    assert other.splits == plain.splits


def test_the_order_of_rows_does_not_matter() -> None:
    rows = draw(2)
    shuffled = rows[np.random.default_rng(0).permutation(len(rows))]
    assert as_bytes(grow(in_memory(shuffled), 8, 10)) == as_bytes(grow(in_memory(rows), 8, 10))


def test_a_weight_is_so_many_rows() -> None:
    rows = draw(3, 700)
    weights = np.random.default_rng(0).integers(0, 4, len(rows))
    left = grow(in_memory(rows, weights), 8, 8)
    right = grow(in_memory(np.repeat(rows, weights, axis=0)), 8, 8)
    assert as_bytes(left) == as_bytes(right)
    assert left.n == weights.sum()


def test_other_names_for_labels_give_templates_as_good() -> None:
    rows = draw(4)
    names = np.random.default_rng(0).permutation(8)
    left, right = grow(in_memory(rows), 8, 10), grow(in_memory(np.ascontiguousarray(rows[:, names])), 8, 10)
    for one, other in zip(left.levels, right.levels, strict=True):
        assert one.relevance == pytest.approx(other.relevance, rel=5e-3)


@given(seeds, st.integers(1, 60))
@settings(max_examples=15, deadline=None)
def test_information_rises_within_its_bounds_and_no_template_is_small(seed: int, min_size: int) -> None:
    rows = draw(seed, 500, 5)
    hierarchy = grow(in_memory(rows), 5, 9, min_size=min_size)
    prior = rows.mean(axis=0, dtype=float)
    everything = mutual_information(rows)
    assert hierarchy.levels[0].relevance == pytest.approx(0, abs=1e-6)
    for level in hierarchy.levels:
        ids = assign(rows, level.centroids)
        assert level.counts.min() >= min_size
        assert np.bincount(ids, minlength=level.k).tolist() == level.counts.tolist()
        assert level.relevance == pytest.approx(mutual_information(np.eye(level.k)[ids].T @ rows), abs=1e-6)
        assert level.relevance <= min(level.compression, everything) + 1e-6
        assert level.labels.sum(axis=0) / UNIT / 500 == pytest.approx(prior, abs=1e-6)
    relevance = [level.relevance for level in hierarchy.levels]
    assert (np.diff(relevance) > 0).all()
    assert [split.k for split in hierarchy.splits] == list(range(2, len(relevance) + 1))


def test_for_two_labels_every_level_is_near_the_exact_optimum() -> None:
    rows = quantize(np.random.default_rng(5).dirichlet([0.5, 0.7], 600))
    hierarchy = grow(in_memory(rows), 2, 6, min_size=1)
    for level, exact in zip(hierarchy.levels, best_for_two_labels(rows.astype(float), 6), strict=True):
        assert 0.99 * exact - 1e-6 <= level.relevance <= exact + 1e-6


def test_without_any_structure_a_level_is_nearly_as_good_as_many_random_beginnings() -> None:
    rows = draw(6, 600, 6)
    hierarchy = grow(in_memory(rows), 6, 8, min_size=1)
    for k in (3, 5, 8):
        assert (
            polish(rows, hierarchy.level(k), min_size=1)[0].relevance
            > 0.96 * cluster(rows, k, n_restart=10, seed=k)[0].relevance
        )


def test_rare_but_distinct_kinds_survive_and_rarer_ones_dissolve() -> None:
    kinds = np.eye(5) * 0.9 + 0.02
    rows = quantize(np.repeat(kinds, [3000, 2000, 441, 60, 40], axis=0))
    hierarchy = grow(in_memory(rows), 5, 10)
    last = hierarchy.levels[-1]
    # The kind of 40 has no template of its own: it went to the nearest.
    assert sorted(last.counts.tolist()) in (
        [60, 441, 2000, 3040],
        [60, 441, 2040, 3000],
        [60, 481, 2000, 3000],
        [100, 441, 2000, 3000],
    )
    assert hierarchy.ended == "no template can be split further"
    assert sorted(grow(in_memory(rows), 5, 10, min_size=40).levels[-1].counts.tolist()) == [40, 60, 441, 2000, 3000]


def test_refining_dissolves_what_is_too_small_into_the_nearest() -> None:
    kinds = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    rows = quantize(np.repeat(kinds, [100, 10, 100], axis=0))
    assert refine(in_memory(rows), kinds, 50).counts.tolist() == [110, 100]
    assert refine(in_memory(rows), kinds, 1).counts.tolist() == [100, 10, 100]


def test_rows_that_are_all_alike_stay_one_template() -> None:
    hierarchy = grow(in_memory(quantize(np.full((500, 4), 0.25))), 4, 10)
    assert len(hierarchy.levels) == 1
    with pytest.raises(UserInputError, match="from 1 to 1 here, since no template can be split further; asked for 2"):
        hierarchy.level(2)


def test_fewer_rows_than_a_template_needs_are_refused() -> None:
    with pytest.raises(UserInputError, match="at least 50 rows, and there are 49 in all"):
        grow(in_memory(draw(0, 49)), 8, 5)


@pytest.mark.parametrize("wrong", [{"k_max": 0}, {"k_max": 2, "min_size": 0}])
def test_numbers_without_meaning_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UserInputError, match="1 or more"):
        grow(in_memory(draw(0)), 8, **wrong)


def test_a_split_says_what_it_gains() -> None:
    rows = quantize(np.repeat(np.eye(4) * 0.9 + 0.025, 100, axis=0))
    hierarchy = grow(in_memory(rows), 4, 4)
    assert [split.size for split in hierarchy.splits] == [400, 200, 200] or hierarchy.splits[0].size == 400
    for split, before, after in zip(hierarchy.splits, hierarchy.levels, hierarchy.levels[1:], strict=False):
        assert split.refined_gain == pytest.approx(after.relevance - before.relevance)
        assert split.local_gain == pytest.approx(split.gain * hierarchy.n / split.size)
        assert sum(split.sizes) == split.size
        assert split.gain <= split.refined_gain + 1e-6
        assert split.critical_beta >= 1


def test_growing_takes_little_memory_beside_the_rows() -> None:
    rows = draw(7, 20_000, 34)
    passes = in_memory(rows)
    tracemalloc.start()
    grow(passes, 34, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20
