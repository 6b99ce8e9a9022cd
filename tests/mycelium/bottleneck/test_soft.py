"""The bottleneck on channels whose answers are known."""

import math
from itertools import pairwise

import numpy as np
import pytest

from mycelium.bottleneck.information import Floats, entropy, mutual_information
from mycelium.bottleneck.soft import anneal, critical_betas, solve, update
from mycelium.errors import UserInputError
from tests.mycelium.bottleneck.answers import (
    best_by_brute_force,
    binary_entropy,
    binary_erasure,
    binary_symmetric,
    gaussian,
    invert_entropy,
    symmetric,
)

EVEN = np.array([0.5, 0.5])


def grows(p_x: Floats, p_yx: Floats, beta: float) -> bool:
    """Say whether two nearly equal clusters drift apart."""
    own = -entropy(p_yx)
    encoder = 0.5 + np.linspace(-1, 1, len(p_x))[:, None] * [1e-5, -1e-5]
    before = np.ptp(encoder[:, 0])
    for _ in range(3):
        encoder, _ = update(p_x, p_yx, own, beta, encoder)
    return bool(np.ptp(encoder[:, 0]) > before)


def see_transition(p_x: Floats, p_yx: Floats) -> float:
    """Return the β above which clusters drift apart, by bisection."""
    low, high = 1.0, 20.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if grows(p_x, p_yx, middle) else (middle, high)
    return low


@pytest.mark.parametrize("p", [0.05, 0.1, 0.2, 0.3])
def test_the_symmetric_channel_breaks_at_one_over_its_squared_correlation(p: float) -> None:
    channel = binary_symmetric(p)
    truth = 1 / (1 - 2 * p) ** 2
    assert critical_betas(EVEN, channel)[0] == pytest.approx(truth, abs=1e-4)
    assert see_transition(EVEN, channel) == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.2])
def test_the_symmetric_channel_follows_its_curve(p: float) -> None:
    curve = anneal(EVEN, binary_symmetric(p), np.linspace(1.01, 12, 40))
    for one in curve.cooled:
        star = invert_entropy(1 - one.compression)
        assert one.relevance == pytest.approx(1 - binary_entropy(p * (1 - star) + star * (1 - p)), abs=1e-9)
    assert curve.hysteresis == ()
    assert len(curve.transitions) == 1


@pytest.mark.parametrize("e", [0.1, 0.3, 0.6])
def test_the_erasure_channel_is_a_straight_line(e: float) -> None:
    channel = binary_erasure(e)
    assert critical_betas(EVEN, channel)[0] == pytest.approx(1 / (1 - e), abs=1e-9)
    curve = anneal(EVEN, channel, [0.9 / (1 - e), 1.1 / (1 - e), 2 / (1 - e)])
    assert [one.k for one in curve.cooled] == [1, 2, 2]
    for one in curve.cooled:
        assert one.relevance == pytest.approx((1 - e) * one.compression, abs=1e-9)


@pytest.mark.parametrize("rho", [0.5, 0.8, 0.95])
def test_normal_variables_break_at_one_over_the_squared_correlation(rho: float) -> None:
    assert critical_betas(*gaussian(rho))[0] == pytest.approx(1 / rho**2, abs=1e-3)


def test_normal_variables_follow_the_curve_of_chechik() -> None:
    rho = 0.8
    prior, posterior = gaussian(rho, n=41)
    for beta in (1.4, 1.8, 3.0, 8.0):
        one = solve(prior, posterior, beta, np.eye(41))
        truth = -0.5 * math.log2(1 - rho**2 * (1 - 2 ** (-2 * one.compression)))
        assert one.relevance == pytest.approx(truth, abs=2e-3)
        # Where on the curve: 2^(−2 I(X;T)) = (1 − ρ²) / (ρ² (β − 1)).
        squared = (1 - rho**2) / (rho**2 * (beta - 1))
        assert one.compression == pytest.approx(max(0.0, -0.5 * math.log2(squared)), abs=5e-3)


def test_labels_that_are_certain_are_degenerate_with_one_transition() -> None:
    curve = anneal([1, 2, 3, 4], [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [0.9, 0.99, 1.01, 1.5, 4, 50])
    assert curve.is_degenerate
    assert [one.k for one in curve.best] == [1, 1, 3, 3, 3, 3]
    assert {one.beta for one in curve.transitions} == {1.01}
    assert all(one.critical_beta == pytest.approx(1) for one in curve.transitions[:1])
    for one in curve.best:
        assert one.relevance == pytest.approx(one.compression, abs=1e-9)
    assert not anneal(EVEN, binary_symmetric(0.1), [2]).is_degenerate


def test_labels_that_do_not_depend_on_the_step_leave_one_cluster_at_every_beta() -> None:
    posterior = np.tile([0.2, 0.3, 0.5], (12, 1))
    assert critical_betas(np.ones(12), posterior).tolist() == [np.inf]
    for deterministic in (False, True):
        curve = anneal(np.ones(12), posterior, [0.5, 1, 10, 1000], deterministic=deterministic)
        assert [one.k for one in (*curve.cooled, *curve.heated)] == [1] * 8
        assert curve.transitions == ()


def test_a_transition_of_first_order_comes_earlier_than_the_critical_beta_and_heating_sees_it() -> None:
    channel = symmetric(34, 0.5)
    assert critical_betas(np.ones(34), channel)[0] == pytest.approx(4.0, abs=1e-9)
    betas = [2.6, 2.8, 2.86, 2.88, 3.0, 3.9, 4.1]
    curve = anneal(np.ones(34), channel, betas)
    assert [one.k for one in curve.cooled] == [1, 1, 1, 1, 1, 1, 34]
    assert [one.k for one in curve.best] == [1, 1, 1, 34, 34, 34, 34]
    assert curve.hysteresis == (2.88, 3.0, 3.9)
    # The true transition: the least I(X;T) / I(T;Y) of the encoders that have the channel's symmetry.
    encoders = [symmetric(34, noise) for noise in np.linspace(0.01, 0.9, 500)]
    exact = min(mutual_information(one) / mutual_information(one.T @ channel) for one in encoders)
    assert 2.86 < exact < 2.88


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_monotone_and_concave_with_slope_one_over_beta_and_within_its_bounds(seed: int) -> None:
    generator = np.random.default_rng(seed)
    prior, posterior = generator.dirichlet(np.ones(8)), generator.dirichlet(np.full(5, 0.4), 8)
    curve = anneal(prior, posterior, np.geomspace(1, 60, 60))
    points = curve.best
    both = mutual_information(prior[:, None] * posterior)
    for one in points:
        assert one.relevance <= min(one.compression, both) + 1e-9
    for left, right in pairwise(points):
        up, across = right.relevance - left.relevance, right.compression - left.compression
        assert up >= -1e-6
        assert across >= -1e-6
        # Each is the best at its own β, so the chord between them has a slope between 1/β of the two.
        assert across / right.beta - 1e-6 <= up <= across / left.beta + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_at_great_beta_the_deterministic_form_is_the_best_grouping(seed: int) -> None:
    posterior = np.random.default_rng(seed).dirichlet(np.full(4, 0.5), 7)
    curve = anneal(np.ones(7), posterior, np.geomspace(1, 1e4, 40), deterministic=True)
    last = curve.best[-1]
    assert last.relevance == pytest.approx(mutual_information(posterior), abs=1e-9)
    assert last.k == 7
    for one in curve.best:
        assert set(np.unique(one.encoder)) <= {0.0, 1.0}
        assert one.compression == pytest.approx(float(entropy(one.prior)), abs=1e-12)
        assert one.relevance <= best_by_brute_force(posterior, one.k) + 1e-9


def test_a_round_never_raises_the_free_energy() -> None:
    generator = np.random.default_rng(0)
    p_x, p_yx = generator.dirichlet(np.ones(20)), generator.dirichlet(np.full(6, 0.3), 20)
    encoder = generator.dirichlet(np.ones(5), 20)
    values = []
    for _ in range(50):
        encoder, value = update(p_x, p_yx, -entropy(p_yx), 7.0, encoder)
        values.append(value)
    assert (np.diff(values) <= 1e-12).all()


def test_order_names_and_copies_do_not_matter() -> None:
    generator = np.random.default_rng(1)
    prior, posterior = generator.dirichlet(np.ones(9)), generator.dirichlet(np.full(4, 0.3), 9)
    order, names = generator.permutation(9), generator.permutation(4)
    betas = [1.5, 3, 6, 12]
    plain = anneal(prior, posterior, betas).best
    for other in (
        anneal(prior[order], posterior[order], betas),
        anneal(prior, posterior[:, names], betas),
        anneal(np.append(prior, prior) / 2, np.concatenate([posterior, posterior]), betas),
        anneal(np.append(prior, 0), np.concatenate([posterior, posterior[:1]]), betas),
    ):
        for left, right in zip(plain, other.best, strict=True):
            assert left.k == right.k
            assert left.relevance == pytest.approx(right.relevance, abs=1e-5)


def test_solutions_are_fixed_points() -> None:
    generator = np.random.default_rng(2)
    p_x, p_yx = generator.dirichlet(np.ones(10)), generator.dirichlet(np.full(3, 0.3), 10)
    found = solve(p_x, p_yx, 5.0, generator.dirichlet(np.ones(4), 10))
    again, _ = update(p_x, p_yx, -entropy(p_yx), 5.0, found.encoder)
    assert np.abs(again - found.encoder).max() < 1e-3


@pytest.mark.parametrize(
    ("prior", "posterior", "betas", "said"),
    [
        ([1, 1], [[0.5, 0.5]], [1], "a number for each row"),
        ([1], [[0.5, 0.6]], [1], "probabilities"),
        ([1], [[np.nan, 0.6]], [1], "probabilities"),
        ([-1, 2], [[0.5, 0.5]] * 2, [1], "probabilities"),
        ([0], [[0.5, 0.5]], [1], "probabilities"),
        ([1], [[0.5, 0.5]], [], "β ascends"),
        ([1], [[0.5, 0.5]], [2, 1], "β ascends"),
        ([1], [[0.5, 0.5]], [0], "β ascends"),
        ([1], [[0.5, 0.5]], [math.nan], "β ascends"),
    ],
    ids=str,
)
def test_what_has_no_meaning_is_refused(prior: object, posterior: object, betas: list[float], said: str) -> None:
    with pytest.raises(UserInputError, match=said):
        anneal(np.array(prior), np.array(posterior), betas)


def test_steps_without_labels_have_no_bottleneck() -> None:
    with pytest.raises(TypeError, match="posterior"):
        anneal(EVEN, betas=[1.0])  # type: ignore[call-arg]
