"""Labels as numbers."""

import numpy as np
import pytest

from mycelium.bottleneck.targets import encode_labels
from mycelium.errors import UserInputError


def test_labels_are_named_in_order_and_shared_evenly() -> None:
    targets = encode_labels([["mul"], ["add"], [], ["add", "mul"]])
    assert targets.names == ("add", "mul")
    assert targets.weights.tolist() == [[0, 1], [1, 0], [0, 0], [0.5, 0.5]]
    assert targets.known.tolist() == [True, True, False, True]
    assert targets.frequencies.tolist() == [0.5, 0.5]


def test_names_may_be_known_beforehand() -> None:
    assert encode_labels([["b"]], names=["c", "b"]).weights.tolist() == [[1, 0]]
    with pytest.raises(UserInputError, match="one of those named; got 'a'"):
        encode_labels([["a"]], names=["c", "b"])


@pytest.mark.parametrize(("labels", "said"), [([], "none"), ([[]], "none"), ([["add"], ["add"]], "only 'add'")])
def test_one_label_is_no_relevance(labels: list[list[str]], said: str) -> None:
    with pytest.raises(UserInputError, match=f"two different labels .* got {said}"):
        encode_labels(labels)


def test_a_label_that_is_there_twice_counts_twice() -> None:
    assert np.allclose(encode_labels([["a", "a", "b"]]).weights, [[2 / 3, 1 / 3]])
