"""p(y|x): what a step says about its label, estimated by models that have not seen its problem.

1. Problems are dealt out to folds, never steps: steps of one problem resemble each other.
2. For each fold a multinomial logistic model is fitted to the others, and predicts this one.
3. One temperature a fold, fitted to the predictions of the other folds, makes the probabilities as sure as they are
   right: p(y|x) = softmax(z / T).
4. A last model, fitted to all steps, with a temperature fitted to all predictions, is for steps to come.

Without labels there is no bottleneck: with one-hot labels in place of p(y|x) the trade-off is a straight line with one
transition at β = 1, and without any it is k-means (Kolchinsky et al., "Caveats for information bottleneck in
deterministic scenarios", 2019).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mycelium.bottleneck.information import Floats, entropy
from mycelium.bottleneck.logistic import RIDGE, Index, Logistic, Matrix, fit_logistic, softmax
from mycelium.bottleneck.rows import Rows, quantize
from mycelium.bottleneck.targets import Targets
from mycelium.errors import UserInputError

N_FOLD: Final = 5
N_CONFIDENCE_BIN: Final = 15
_TILE: Final = 4096
_COLDEST, _HOTTEST = 0.05, 20.0


@dataclass(frozen=True, slots=True)
class Estimator:
    """p(y|x) for new steps: softmax((x W + b) / T).

    Attributes:
        model: W and b.
        temperature: T.
    """

    model: Logistic
    temperature: float

    def predict(self, features: Matrix) -> Rows:
        """Return posterior rows, shape (n, |Y|), of features of shape (n, d).

        Raises:
            UserInputError: the features are of another length than those of the fit, or not finite.
        """
        check_features(features, len(self.model.weights))
        out = np.empty((len(features), len(self.model.bias)), np.float32)
        for start in range(0, len(features), _TILE):
            tile = self.model.logits(features[start : start + _TILE])
            out[start : start + _TILE] = quantize(softmax(tile, self.temperature))
        return out


@dataclass(frozen=True, slots=True)
class Quality:
    """How good p(y|x) is, on steps whose problems its models had not seen.

    Attributes:
        n: steps judged: those that bear a label.
        label_entropy: H(Y), bits.
        cross_entropy: −mean log2 p(y|x), bits.
        bound: H(Y) − cross-entropy, bits: I(X;Y) is at least that, as the number of steps grows.
        calibration_error: Σ over 15 bins of |mean confidence − share right| · share of steps, by the surest label.
        calibration_error_before: the same without temperatures.
        accuracy: share of steps whose surest label is right.
        temperatures: T of each fold.
    """

    n: int
    label_entropy: float
    cross_entropy: float
    bound: float
    calibration_error: float
    calibration_error_before: float
    accuracy: float
    temperatures: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of p(y|x).

    Attributes:
        rows: shape (n, |Y|), out of fold, for every step, those without a label included.
        estimator: for steps to come.
        quality: how good the rows are.
        folds: shape (n,), the fold of each step.
        fold_estimators: for each fold, what its rows come from: a model and temperature that had not seen it.
        is_degenerate: each row is all but certain (the mean of H(Y|x) is below a thousandth of H(Y)): Y is a function
            of X, the trade-off is a straight line, and templates are nothing but groups of labels.
    """

    rows: Rows
    estimator: Estimator
    quality: Quality
    folds: npt.NDArray[np.int64]
    fold_estimators: tuple[Estimator, ...]
    is_degenerate: bool


def fit_posterior(
    features: Matrix,
    targets: Targets,
    groups: npt.ArrayLike,
    *,
    n_fold: int = N_FOLD,
    ridge: float = RIDGE,
    seed: int = 0,
) -> Posterior:
    """Estimate p(y|x), out of fold.

    Args:
        features: shape (n, d), float32, finite: embeddings X.
        targets: Y.
        groups: shape (n,), which problem each step is of.
        n_fold: 2 or more.
        ridge: of `fit_logistic`.
        seed: decides which problems share a fold.

    Returns:
        Rows, estimator, quality.

    Raises:
        UserInputError: lengths differ, features are not finite or all constant, fewer labelled problems than folds, or
            all labelled steps bear the same label.
    """
    check_features(features, None)
    known = targets.known
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if not len(features) == len(known) == len(group):
        raise UserInputError(
            f"features, labels and problems are of the same steps; got {len(features)}, {len(known)} and {len(group)}"
        )
    if np.count_nonzero(targets.frequencies) < 2:
        raise UserInputError("the bottleneck needs at least two different labels to be relevant to; got one")
    folds = deal_groups(len(names), n_fold, seed)[group]
    if len(np.unique(folds[known])) < n_fold:
        raise UserInputError(f"p(y|x) is estimated on {n_fold} folds of problems; there are too few with labels")
    if not np.ptp(features[known], axis=0).any():
        raise UserInputError("every embedding is the same: they say nothing about the steps")
    logits = np.empty(targets.weights.shape, np.float32)
    models = []
    for fold in range(n_fold):
        model = fit_logistic(features, targets.weights, np.flatnonzero(known & (folds != fold)), ridge=ridge)
        models.append(model)
        for part in _tiles(np.flatnonzero(folds == fold)):
            logits[part] = model.logits(features[part])
    everything = np.flatnonzero(known)
    temperatures = [
        fit_temperature(logits, targets.weights, np.flatnonzero(known & (folds != fold))) for fold in range(n_fold)
    ]
    model = fit_logistic(features, targets.weights, everything, ridge=ridge)
    estimator = Estimator(model, fit_temperature(logits, targets.weights, everything))
    rows = np.empty(logits.shape, np.float32)
    for fold in range(n_fold):
        for part in _tiles(np.flatnonzero(folds == fold)):
            rows[part] = quantize(softmax(logits[part], temperatures[fold]))
    quality = judge(rows, targets, before=logits, temperatures=tuple(temperatures))
    uncertain = sum(float(entropy(rows[part]).sum()) for part in _tiles(np.arange(len(rows)))) / len(rows)
    estimators = tuple(Estimator(model, heat) for model, heat in zip(models, temperatures, strict=True))
    return Posterior(rows, estimator, quality, folds, estimators, uncertain < 1e-3 * quality.label_entropy)


def check_features(features: Matrix, n_feature: int | None) -> None:
    """Refuse features that are no table of finite float32.

    Raises:
        UserInputError: they are not, or have another length than expected.
    """
    if features.ndim != 2 or features.dtype != np.float32 or not features.size:
        raise UserInputError(
            f"embeddings are a table of float32, a row a step; got {features.dtype} of shape {features.shape}"
        )
    if n_feature is not None and features.shape[1] != n_feature:
        raise UserInputError(
            f"embeddings are {n_feature} numbers long, as those that the estimator was fitted to; got "
            f"{features.shape[1]}: are they of another model?"
        )
    for start in range(0, len(features), _TILE):
        finite = np.isfinite(features[start : start + _TILE]).all(axis=1)
        if not finite.all():
            raise UserInputError(f"embeddings are finite numbers; that of step {start + int(finite.argmin())} is not")


def deal_groups(n_group: int, n_fold: int, seed: int) -> npt.NDArray[np.int64]:
    """Deal groups out to folds, as evenly as can be: shape (n_group,), 0 to n_fold − 1.

    Raises:
        UserInputError: fewer than two folds, or fewer groups than folds.
    """
    if n_fold < 2 or n_group < n_fold:
        raise UserInputError(f"{n_group} problems can't be dealt out to {n_fold} folds: 2 or more, none empty")
    out = np.empty(n_group, np.int64)
    out[np.random.default_rng(seed).permutation(n_group)] = np.arange(n_group) % n_fold
    return out


def fit_temperature(logits: Matrix, targets: Matrix, rows: Index) -> float:
    """Return the T at which softmax(z / T) has the least cross-entropy, between 0.05 and 20.

    Args:
        logits: shape (n, |Y|).
        targets: shape (n, |Y|), rows sum to 1.
        rows: which of them to look at.

    Returns:
        T, to one part in 10⁴.

    Source:
        Guo et al., "On calibration of modern neural networks", 2017. Golden-section search over log T: the
        cross-entropy is convex in 1 / T, so it has one minimum.
    """

    def loss(log_t: float) -> float:
        temperature, total = float(np.exp(log_t)), 0.0
        for part in _tiles(rows):
            z = logits[part] / np.float32(temperature)
            z -= z.max(axis=1, keepdims=True)
            total += float((np.log(np.exp(z).sum(axis=1)) - (targets[part] * z).sum(axis=1)).sum(dtype=np.float64))
        return total

    shrink = (np.sqrt(5) - 1) / 2
    low, high = float(np.log(_COLDEST)), float(np.log(_HOTTEST))
    left, right = high - shrink * (high - low), low + shrink * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - shrink * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + shrink * (high - low)
            at_right = loss(right)
    return float(np.exp((low + high) / 2))


def judge(rows: Rows, targets: Targets, *, before: Matrix, temperatures: tuple[float, ...]) -> Quality:
    """Judge posterior rows by the labels that they did not see."""
    known = np.flatnonzero(targets.known)
    label_entropy = float(entropy(targets.frequencies))
    cross = _score(rows, targets.weights, known) / len(known)
    plain, sure = np.empty((2, len(known))), np.empty((2, len(known)))
    for start in range(0, len(known), _TILE):
        part = known[start : start + _TILE]
        for place, table in enumerate((rows[part].astype(np.float64), softmax(before[part]))):
            best = table.argmax(axis=1)
            sure[place, start : start + _TILE] = table.max(axis=1)
            plain[place, start : start + _TILE] = targets.weights[part, best]
    return Quality(
        n=len(known),
        label_entropy=label_entropy,
        cross_entropy=cross,
        bound=label_entropy - cross,
        calibration_error=calibration_error(sure[0], plain[0]),
        calibration_error_before=calibration_error(sure[1], plain[1]),
        accuracy=float(plain[0].mean()),
        temperatures=temperatures,
    )


def calibration_error(confidence: Floats, correct: Floats) -> float:
    """Return the expected calibration error: 0 to 1.

    Args:
        confidence: shape (n,), probability of the surest label.
        correct: shape (n,), 1 where it is right, 0 where not.

    Returns:
        Σ over 15 bins of equal width of |mean confidence − share right| · share of rows.
    """
    inside = np.minimum((confidence * N_CONFIDENCE_BIN).astype(np.int64), N_CONFIDENCE_BIN - 1)
    gap = np.bincount(inside, confidence - correct, minlength=N_CONFIDENCE_BIN)
    return float(np.abs(gap).sum() / len(confidence))


def _score(rows: Rows, targets: Matrix, members: Index) -> float:
    total = 0.0
    for part in _tiles(members):
        logs = np.log2(np.maximum(rows[part], 2.0**-25, dtype=np.float64))
        total -= float((targets[part] * logs).sum(dtype=np.float64))
    return total


def _tiles(members: Index) -> list[Index]:
    return [members[start : start + _TILE] for start in range(0, len(members), _TILE)]
