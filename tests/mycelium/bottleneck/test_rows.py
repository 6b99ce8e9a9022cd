"""Sums over rows: the same bytes whatever the chunks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.bottleneck.information import divergence
from mycelium.bottleneck.rows import (
    LOG_UNIT,
    UNIT,
    Question,
    Rows,
    Sums,
    accumulate,
    assign,
    in_memory,
    over_chunks,
    quantize,
    sum_by,
)
from mycelium.errors import UserInputError

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, n: int = 300, n_label: int = 7) -> Rows:
    return quantize(np.random.default_rng(seed).dirichlet(np.full(n_label, 0.3), n))


def ask_everything(seed: int, n_label: int = 7, k: int = 5) -> Question:
    generator = np.random.default_rng(seed + 1)
    return Question(
        centroids=generator.dirichlet(np.ones(n_label), k),
        bias=np.log2(generator.dirichlet(np.ones(k))),
        moments=(0, 3),
        clusters=(1, 3, 3),
        directions=np.rint(generator.normal(size=(3, n_label)) * LOG_UNIT) / LOG_UNIT,
        edges=np.sort(generator.normal(size=(3, 9)), axis=1),
    )


def equal(left: Sums, right: Sums) -> bool:
    names = ("counts", "labels", "moments", "bin_counts", "bin_labels")
    return all(getattr(left, name).tobytes() == getattr(right, name).tobytes() for name in names)


@given(seeds)
def test_rounding_keeps_probabilities_as_exact_multiples(seed: int) -> None:
    posterior = np.random.default_rng(seed).dirichlet(np.full(9, 0.1), 20)
    rows = quantize(posterior)
    assert np.abs(rows - posterior).max() <= 0.5 / UNIT
    assert (rows.astype(np.float64) * UNIT % 1 == 0).all()


@pytest.mark.parametrize("wrong", [[[np.nan, 1.0]], [[-0.1, 1.1]], [[0.4, 0.4]], [[np.inf, 0.0]], [0.5, 0.5]], ids=str)
def test_what_is_no_probability_is_refused(wrong: object) -> None:
    with pytest.raises(UserInputError, match="posterior rows"):
        quantize(np.array(wrong))


@given(seeds)
def test_a_row_goes_to_the_nearest_centroid(seed: int) -> None:
    rows, centroids = draw(seed, 50), np.random.default_rng(seed).dirichlet(np.ones(7), 4)
    distance = divergence(rows[:, None].astype(np.float64), centroids[None])
    chosen = distance[np.arange(50), assign(rows, centroids)]
    assert (chosen <= distance.min(axis=1) + 1e-5).all()


def test_among_equal_centroids_the_first_is_taken() -> None:
    assert (assign(draw(0), np.full((3, 7), 1 / 7)) == 0).all()


@pytest.mark.parametrize("n_chunk", [1, 7, 117])
@given(seed=seeds)
@settings(max_examples=10)
def test_chunks_of_any_size_in_any_order_give_the_same_bytes(n_chunk: int, seed: int) -> None:
    rows, question = draw(seed, 10_000), ask_everything(seed)
    generator = np.random.default_rng(seed)
    weights = generator.integers(0, 4, len(rows))
    cuts = np.sort(generator.integers(0, len(rows), n_chunk - 1))
    parts = list(zip(np.split(rows, cuts), np.split(weights, cuts), strict=True))
    generator.shuffle(parts)
    answer = over_chunks(lambda asked: (accumulate(part, asked, weight) for part, weight in parts))(question)
    assert equal(answer, accumulate(rows, question, weights))
    assert equal(answer, in_memory(rows, weights)(question))


@given(seeds)
@settings(max_examples=20)
def test_a_weight_is_so_many_rows(seed: int) -> None:
    rows, question = draw(seed), ask_everything(seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(rows))
    assert equal(accumulate(rows, question, weights), accumulate(np.repeat(rows, weights, axis=0), question))


@given(seeds)
@settings(max_examples=20)
def test_what_is_held_between_questions_is_what_a_fresh_answer_would_be(seed: int) -> None:
    rows = draw(seed)
    generator = np.random.default_rng(seed)
    passes = in_memory(rows)
    centroids = generator.dirichlet(np.ones(7), 3)
    for k in (3, 3, 4, 2, 5):
        grown = np.concatenate([centroids, generator.dirichlet(np.ones(7), 5)])[:k]
        centroids = 0.98 * grown + 0.02 * generator.dirichlet(np.ones(7), k)
        question = Question(centroids)
        assert equal(passes(question), accumulate(rows, question))


def test_sums_are_what_adding_row_by_row_gives() -> None:
    rows = draw(5, 5000)
    ids = np.random.default_rng(5).integers(0, 3, 5000).astype(np.int32)
    counts, labels = sum_by(rows, ids, 4)
    assert counts.tolist() == [*np.bincount(ids), 0]
    for t in range(3):
        assert labels[t].tolist() == [sum(int(p * UNIT) for p in rows[ids == t, y]) for y in range(7)]


def test_moments_are_sums_of_products() -> None:
    rows = draw(6, 100)
    answer = accumulate(rows, Question(np.full((1, 7), 1 / 7), moments=(0,)))
    truth = rows.astype(np.float64).T @ rows
    assert answer.moments[0] / 2**28 == pytest.approx(truth, abs=0.01)


def test_no_chunk_is_no_answer() -> None:
    with pytest.raises(UserInputError, match="at least one chunk"):
        over_chunks(lambda _: ())(Question(np.ones((1, 1))))
