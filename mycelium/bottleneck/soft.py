"""The bottleneck itself: min I(X;T) − β I(T;Y) over encoders p(t|x), and how its clusters break up as β grows.

*Soft*: p(t|x) ∝ p(t) · 2^(−β D(p(y|x)‖p(y|t))), p(y|t) = Σ_x p(x|t) p(y|x), p(t) = Σ_x p(x) p(t|x), in turn until
nothing moves (D in bits: β has no unit). *Deterministic*: each x goes to the t with the highest log2 p(t) / β − D, and
I(X;T) = H(T).

*Cooling* takes β from low to high, each solution the start of the next; a cluster whose critical β is passed is
broken along its relevance eigenvector. *Heating* takes it back. Where the two differ, transitions are of first order:
then the critical β is where the cluster becomes unstable, and the better solution is there earlier (*hysteresis*).

It is for hundreds of x: rows by the ten thousand are coarsened first, by the templates of a fine level of the
hierarchy, which says how much information that costs.

Source:
    Tishby, Pereira and Bialek, "The information bottleneck method", 1999; Strouse and Schwab, "The deterministic
    information bottleneck", 2017. Critical β: Rose, "Deterministic annealing", 1998, with D for the distance.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mycelium.bottleneck.information import Floats, entropy
from mycelium.bottleneck.split import relevance_axes
from mycelium.errors import UserInputError

TOLERANCE: Final = 1e-10
MAX_ROUNDS: Final = 5000
MAX_K: Final = 64
_PUSH: Final = 1e-2
_SAME: Final = 1e-4
_LEAST_SHARE: Final = 1e-9
_VISIBLE: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Solution:
    """A fixed point at one β.

    Attributes:
        beta: β.
        encoder: shape (n, k), p(t|x).
        prior: shape (k,), p(t).
        centroids: shape (k, |Y|), p(y|t).
        compression: I(X;T), bits; H(T) in the deterministic form.
        relevance: I(T;Y), bits.
        rounds: how many it took; `MAX_ROUNDS` if it had not settled by then.
    """

    beta: float
    encoder: Floats
    prior: Floats
    centroids: Floats
    compression: float
    relevance: float
    rounds: int

    @property
    def k(self) -> int:
        """How many clusters differ."""
        return len(self.prior)

    @property
    def objective(self) -> float:
        """I(X;T) − β I(T;Y), bits: 0 for a single cluster."""
        return self.compression - self.beta * self.relevance


@dataclass(frozen=True, slots=True)
class Transition:
    """A cluster that broke up while cooling.

    Attributes:
        beta: the β of the sweep at which it was found to be unstable.
        critical_beta: 1 / λ_max of the cluster as it was then.
        cluster: which, of those of the solution before.
        k_before: clusters before.
        k_after: clusters once all had settled; more than one more, where several broke up at once.
    """

    beta: float
    critical_beta: float
    cluster: int
    k_before: int
    k_after: int


@dataclass(frozen=True, slots=True)
class Curve:
    """The trade-off over β.

    Attributes:
        cooled: solutions from low β to high.
        heated: solutions at the same β, in the same order, found from high β to low.
        transitions: where clusters broke up on the way down.
        is_degenerate: Y is a function of X: the curve is the straight line I(T;Y) = I(X;T), with one transition, at
            β = 1 (Kolchinsky et al. 2019).
    """

    cooled: tuple[Solution, ...]
    heated: tuple[Solution, ...]
    transitions: tuple[Transition, ...]
    is_degenerate: bool

    @property
    def best(self) -> tuple[Solution, ...]:
        """The better of the two at each β."""
        return tuple(min(pair, key=lambda one: one.objective) for pair in zip(self.cooled, self.heated, strict=True))

    @property
    def hysteresis(self) -> tuple[float, ...]:
        """The β at which heating found a better solution than cooling had, by more than 10⁻⁷ bits."""
        return tuple(
            cool.beta
            for cool, heat in zip(self.cooled, self.heated, strict=True)
            if heat.objective < cool.objective - _VISIBLE
        )


def anneal(
    prior: npt.ArrayLike,
    posterior: npt.ArrayLike,
    betas: npt.ArrayLike,
    *,
    deterministic: bool = False,
    max_k: int = MAX_K,
) -> Curve:
    """Follow the bottleneck from low β to high and back.

    Args:
        prior: shape (n,), p(x), or counts.
        posterior: shape (n, |Y|), p(y|x); Y is required: X alone has no bottleneck.
        betas: above 0, ascending.
        deterministic: the deterministic form in place of the soft one.
        max_k: clusters are broken up to so many.

    Returns:
        The curve.

    Raises:
        UserInputError: these are no probabilities, or β does not ascend.
    """
    p_x, p_yx = check_joint(prior, posterior)
    path: list[float] = np.atleast_1d(np.asarray(betas, np.float64)).tolist()
    if not path or not path[0] > 0 or not np.all(np.diff(path) > 0) or not np.isfinite(path[-1]):
        raise UserInputError("β ascends, from above 0; give at least one")
    cooled: list[Solution] = []
    transitions: list[Transition] = []
    encoder = np.ones((len(p_x), 1))
    for beta in path:
        found = solve(p_x, p_yx, beta, encoder, deterministic=deterministic)
        found, broken = _break_up(p_x, p_yx, found, max_k, deterministic=deterministic)
        transitions.extend(broken)
        cooled.append(found)
        encoder = found.encoder
    heated: list[Solution] = []
    # Each x in a cluster of its own, if there may be so many, is where the hottest solution is looked for too.
    if len(p_x) <= max_k:
        own = solve(p_x, p_yx, path[-1], np.eye(len(p_x)), deterministic=deterministic)
        encoder = min(own, cooled[-1], key=lambda one: one.objective).encoder
    for beta in reversed(path):
        heated.append(solve(p_x, p_yx, beta, encoder, deterministic=deterministic))
        encoder = heated[-1].encoder
    label_entropy = float(entropy(p_x @ p_yx))
    is_degenerate = float(p_x @ entropy(p_yx)) < 1e-9 * max(label_entropy, 1e-9)
    return Curve(tuple(cooled), tuple(reversed(heated)), tuple(transitions), is_degenerate)


def critical_betas(prior: npt.ArrayLike, posterior: npt.ArrayLike, encoder: npt.ArrayLike | None = None) -> Floats:
    """Return the β at which each cluster becomes unstable: 1 / λ_max of its relevance covariance.

    λ_max belongs to Σ_x p(x|t) (p(·|x) − p(·|t)) (p(·|x) − p(·|t))ᵀ diag(1 / p(·|t)); for a single cluster it is the
    square of the maximal correlation of X and Y.

    Args:
        prior: shape (n,), p(x), or counts.
        posterior: shape (n, |Y|), p(y|x).
        encoder: shape (n, k), p(t|x); a single cluster if None.

    Returns:
        Shape (k,), 1 or more; infinite for a cluster whose rows are all alike.
    """
    p_x, p_yx = check_joint(prior, posterior)
    p_tx = np.ones((len(p_x), 1)) if encoder is None else np.asarray(encoder, np.float64)
    return np.array([_axis(p_x, p_yx, p_tx[:, t])[0] for t in range(p_tx.shape[1])])


def solve(
    p_x: Floats,
    p_yx: Floats,
    beta: float,
    encoder: Floats,
    *,
    deterministic: bool = False,
    max_rounds: int = MAX_ROUNDS,
) -> Solution:
    """Iterate the self-consistent equations at one β until the objective settles; then join clusters that are alike.

    Args:
        p_x: shape (n,), sums to 1.
        p_yx: shape (n, |Y|), rows sum to 1.
        beta: β.
        encoder: shape (n, k), p(t|x) to begin with.
        deterministic: the deterministic form.
        max_rounds: at most.

    Returns:
        The solution.
    """
    own = -entropy(p_yx)
    before, rounds = np.inf, 0
    for rounds in range(1, max_rounds + 1):  # noqa: B007 - how many it took is part of the answer
        new, value = update(p_x, p_yx, own, beta, encoder, deterministic=deterministic)
        settled = abs(before - value) <= TOLERANCE and float(np.abs(new - encoder).max()) < _SAME
        encoder, before = new, value
        if settled:
            break
    encoder = _join(p_x, p_yx, encoder)
    p_t, p_yt = _decode(p_x, p_yx, encoder)
    conditional = 0.0 if deterministic else float(p_x @ entropy(encoder))
    return Solution(
        beta=beta,
        encoder=encoder,
        prior=p_t,
        centroids=p_yt,
        compression=max(float(entropy(p_t)) - conditional, 0.0),
        relevance=max(float(entropy(p_t @ p_yt)) - float(p_t @ entropy(p_yt)), 0.0),
        rounds=rounds,
    )


def update(
    p_x: Floats, p_yx: Floats, own: Floats, beta: float, encoder: Floats, *, deterministic: bool = False
) -> tuple[Floats, float]:
    """Take one round of the equations.

    Args:
        p_x: shape (n,).
        p_yx: shape (n, |Y|).
        own: shape (n,), −H(Y|x), bits.
        beta: β.
        encoder: shape (n, k).
        deterministic: the deterministic form.

    Returns:
        The new encoder, clusters without weight left out; and −Σ_x p(x) log2 Σ_t p(t) 2^(−β D): the free energy, whose
        least value is the least of I(X;T) − β I(T;Y) + β I(X;Y). It never rises.
    """
    p_t, p_yt = _decode(p_x, p_yx, encoder)
    keep = p_t > _LEAST_SHARE
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log2(p_yt[keep]), -1e6)
    distance = own[:, None] - p_yx @ logs.T
    scores = np.log2(p_t[keep]) - beta * distance
    top = scores.max(axis=1, keepdims=True)
    if deterministic:
        new = np.zeros(scores.shape)
        new[np.arange(len(scores)), scores.argmax(axis=1)] = 1
        return new, -float(p_x @ top[:, 0])
    new = np.exp2(scores - top)
    whole = new.sum(axis=1, keepdims=True)
    return new / whole, -float(p_x @ (np.log2(whole) + top)[:, 0])


def check_joint(prior: npt.ArrayLike, posterior: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return p(x) and p(y|x) that sum to 1, without x that have no weight.

    Raises:
        UserInputError: they are no probabilities.
    """
    p_x, p_yx = np.asarray(prior, np.float64), np.asarray(posterior, np.float64)
    if p_yx.ndim != 2 or p_x.shape != p_yx.shape[:1]:
        raise UserInputError(f"p(x) has a number for each row of p(y|x); got shapes {p_x.shape} and {p_yx.shape}")
    if not (np.all(p_x >= 0) and np.all(p_yx >= 0) and p_x.sum() > 0 and np.all(abs(p_yx.sum(axis=1) - 1) < 1e-3)):
        raise UserInputError("p(x) and p(y|x) are probabilities, 0 or more, rows of p(y|x) sum to 1; got others")
    p_x, p_yx = p_x[p_x > 0], p_yx[p_x > 0]
    return np.asarray(p_x / p_x.sum()), np.asarray(p_yx / p_yx.sum(axis=1, keepdims=True))


def _decode(p_x: Floats, p_yx: Floats, encoder: Floats) -> tuple[Floats, Floats]:
    joint = encoder * p_x[:, None]
    p_t = joint.sum(axis=0)
    return p_t, joint.T @ p_yx / np.maximum(p_t, 1e-300)[:, None]


def _axis(p_x: Floats, p_yx: Floats, share: Floats) -> tuple[float, Floats]:
    """Return the critical β of one cluster, and what orders its x; both by the cluster's p(x|t)."""
    weight = p_x * share / (p_x @ share)
    mean = weight @ p_yx
    values, axes = relevance_axes((p_yx - mean).T @ ((p_yx - mean) * weight[:, None]) + np.outer(mean, mean), mean)
    if values[0] < 1e-12:
        return np.inf, np.zeros(len(p_x))
    return float(1 / values[0]), (p_yx - mean) @ axes[0]


def _break_up(
    p_x: Floats, p_yx: Floats, found: Solution, max_k: int, *, deterministic: bool
) -> tuple[Solution, list[Transition]]:
    """Break unstable clusters until none is left, or breaking them does not last."""
    transitions: list[Transition] = []
    while found.k < max_k:
        axes = [_axis(p_x, p_yx, found.encoder[:, t]) for t in range(found.k)]
        unstable = [t for t, (critical, _) in enumerate(axes) if critical < found.beta][: max_k - found.k]
        if not unstable:
            break
        columns = [found.encoder]
        for t in unstable:
            _, order = axes[t]
            half = found.encoder[:, t] * (0.5 if not deterministic else 1) * _tilt(order, deterministic=deterministic)
            columns[0] = columns[0].copy()
            columns[0][:, t] -= half
            columns.append(half[:, None])
        new = solve(p_x, p_yx, found.beta, np.concatenate(columns, axis=1), deterministic=deterministic)
        if new.k <= found.k or new.objective >= found.objective - TOLERANCE:
            break
        transitions.extend(Transition(found.beta, axes[t][0], t, found.k, new.k) for t in unstable)
        found = new
    return found, transitions


def _tilt(order: Floats, *, deterministic: bool) -> Floats:
    """Return the share of each x that goes to the new cluster: a push along the eigenvector, or its sign."""
    if deterministic:
        return (order > 0).astype(np.float64)
    return np.asarray(1 + _PUSH * order / np.abs(order).max())


def _join(p_x: Floats, p_yx: Floats, encoder: Floats) -> Floats:
    """Put clusters together whose p(y|t) are the same within 10⁻⁴."""
    p_t, p_yt = _decode(p_x, p_yx, encoder)
    groups: list[list[int]] = []
    for t in np.flatnonzero(p_t > _LEAST_SHARE):
        for group in groups:
            if np.abs(p_yt[t] - p_yt[group[0]]).max() < _SAME:
                group.append(int(t))
                break
        else:
            groups.append([int(t)])
    return np.stack([encoder[:, group].sum(axis=1) for group in groups], axis=1)
