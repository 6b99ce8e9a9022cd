"""The table of labels is the law: for the examples in it, and for the page that is made from it."""

from pathlib import Path

import pytest

from mycelium.labels.extract import extract_all_ops
from mycelium.labels.operators import LABELS, NAMES, NOTATIONS, RELATIONS, Label, describe
from mycelium.labels.parser import parse
from mycelium.labels.tree import Refusal

PAGE = Path(__file__).parents[3] / "docs" / "labels.md"


@pytest.mark.parametrize("label", LABELS.values(), ids=list(LABELS))
def test_each_example_bears_its_label(label: Label) -> None:
    tree = parse(label.example)
    assert not isinstance(tree, Refusal)
    assert label.name in extract_all_ops(tree)


@pytest.mark.parametrize("label", LABELS.values(), ids=list(LABELS))
def test_each_meaning_is_a_sentence(label: Label) -> None:
    assert label.meaning[0].isupper() or label.meaning.startswith("cos")
    assert label.meaning.endswith(".")


def test_names_are_unique_and_the_families_known() -> None:
    assert len(NAMES) == len(LABELS) == sum(1 for _ in LABELS)
    assert RELATIONS <= NAMES
    assert NOTATIONS <= NAMES
    assert not RELATIONS & NOTATIONS


def test_the_page_of_labels_is_current() -> None:
    assert PAGE.read_text("utf-8") == describe()
