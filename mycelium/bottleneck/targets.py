"""Y as numbers: a row of weights over the labels for each step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mycelium.errors import UserInputError


@dataclass(frozen=True, slots=True)
class Targets:
    """Y.

    Attributes:
        names: the labels, in alphabetical order.
        weights: shape (n, |Y|), how much of each label a step bears; a row sums to 1, or to 0 where the label is
            missing.
    """

    names: tuple[str, ...]
    weights: npt.NDArray[np.float32]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Shape (n,): which steps bear a label."""
        return np.asarray(self.weights.any(axis=1))

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """Shape (|Y|,): p(y) over the steps that bear one."""
        counts = self.weights.sum(axis=0, dtype=np.float64)
        return np.asarray(counts / counts.sum())


def encode_labels(labels: Sequence[Sequence[str]], names: Sequence[str] | None = None) -> Targets:
    """Turn labels into Y.

    Args:
        labels: the labels of each step: one for the primary label, several that share the step evenly, none where it
            is missing.
        names: the labels there are, where that is known beforehand; else those that occur.

    Returns:
        Y.

    Raises:
        UserInputError: no step bears a label, all bear the same one, or one is not in the names given.
    """
    found = sorted({label for row in labels for label in row}) if names is None else sorted(set(names))
    if len(found) < 2:
        said = f"only {found[0]!r}" if found else "none"
        raise UserInputError(f"the bottleneck needs at least two different labels to be relevant to; got {said}")
    place = {name: index for index, name in enumerate(found)}
    weights = np.zeros((len(labels), len(found)), np.float32)
    for index, row in enumerate(labels):
        for label in row:
            if label not in place:
                raise UserInputError(f"a label is one of those named; got {label!r}")
            weights[index, place[label]] += 1 / len(row)
    return Targets(tuple(found), weights)
