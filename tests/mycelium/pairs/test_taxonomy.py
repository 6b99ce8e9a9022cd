"""Vocabularies, and steps of other problems."""

import pyarrow as pa
import pytest

from mycelium.errors import WrongDatasetError
from mycelium.labels.operators import LABELS
from mycelium.pairs.taxonomy import (
    OPERATORS,
    TEMPLATES,
    check_same_problems,
    check_same_steps,
    list_vocabulary,
    name_template,
    read_classes,
)


def test_the_vocabulary_of_operators_is_all_labels_whether_they_occur_or_not() -> None:
    assert list_vocabulary(OPERATORS, ["add"]) == list(LABELS)
    assert list_vocabulary(OPERATORS, []) == list(LABELS)


def test_any_other_vocabulary_is_what_occurs() -> None:
    assert list_vocabulary("templates", ["b", "a", "b"]) == ["a", "b"]


def test_a_class_of_another_taxonomy_is_refused_by_name() -> None:
    with pytest.raises(WrongDatasetError, match="no class 'frobnicate'"):
        list_vocabulary(OPERATORS, ["add", "frobnicate"])


def test_steps_of_other_problems_are_refused_by_name() -> None:
    table = pa.table({"problem_id": ["q0", "q0", "z9"]})
    check_same_problems(table, ["q0", "z9", "more"], "labels")
    with pytest.raises(WrongDatasetError, match=r"labels has rows of problem 'z9'.*made from other problems"):
        check_same_problems(table, ["q0"], "labels")


def test_classes_of_steps_are_labels_or_the_number_of_a_template() -> None:
    steps = {"problem_id": ["q0", "q0"], "step": [0, 1]}
    labels, numbers = pa.table(steps | {"labels": [["add"], []]}), pa.table(steps | {"template": [7, 12]})
    assert read_classes(labels, OPERATORS) == {("q0", 0): ["add"], ("q0", 1): []}
    assert read_classes(numbers, TEMPLATES) == {("q0", 0): ["template_007"], ("q0", 1): ["template_012"]}
    assert sorted(map(name_template, [10, 2, 100])) == ["template_002", "template_010", "template_100"]


def test_classes_of_other_steps_are_refused_by_name() -> None:
    steps = pa.table({"problem_id": ["q0", "q0"], "step": [0, 1], "digest": [b"a", b"b"]})
    check_same_steps(steps.slice(1), steps, "labels")
    for other in (
        pa.table({"problem_id": ["q0"], "step": [1], "digest": [b"c"]}),
        pa.table({"problem_id": ["q0"], "step": [2], "digest": [b"a"]}),
        pa.table({"problem_id": ["q1"], "step": [0], "digest": [b"a"]}),
    ):
        with pytest.raises(WrongDatasetError, match="labels has step .* made from another run of steps"):
            check_same_steps(other, steps, "labels")
