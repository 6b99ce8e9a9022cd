"""Labels against 449 segments of real text that were labelled by hand before the parser was written.

`gold.jsonl` holds references (file, row, field, span) and labels, no text. Half was kept aside until tuning was over.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mycelium.labels.extract import extract_all_ops
from mycelium.labels.operators import NAMES
from mycelium.labels.parser import parse
from mycelium.labels.tree import Refusal

GOLD = [json.loads(line) for line in Path(__file__).with_name("gold.jsonl").read_text("utf-8").splitlines()]
LEAST_SHARE = 0.98


@pytest.mark.parametrize("half", ["tuned", "held"])
def test_labels_are_exactly_those_given_by_hand(half: str, rows: Callable[[str], list[dict[str, Any]]]) -> None:
    wrong = []
    chosen = [one for one in GOLD if one["half"] == half]
    for one in chosen:
        text = rows(one["file"])[one["row"]][one["field"]][one["start"] : one["end"]]
        tree = parse(text, plain=one["plain"])
        found = None if isinstance(tree, Refusal) else sorted(extract_all_ops(tree))
        if found != one["labels"]:
            wrong.append((one["file"], one["row"], one["start"], one["labels"], found))
    assert 1 - len(wrong) / len(chosen) >= LEAST_SHARE, wrong


def test_the_gold_set_is_large_enough_halved_and_of_known_labels() -> None:
    assert len(GOLD) >= 400
    assert abs(sum(one["half"] == "held" for one in GOLD) * 2 - len(GOLD)) <= 1
    assert {label for one in GOLD for label in one["labels"]} <= NAMES


def test_every_division_of_gsm8k_is_kept(annotations: list[str]) -> None:
    divided = [annotation for annotation in annotations if "/" in annotation]
    assert len(annotations) == 23_716
    for annotation in divided:
        tree = parse(annotation, plain=True)
        assert not isinstance(tree, Refusal)
        assert "div" in extract_all_ops(tree)
