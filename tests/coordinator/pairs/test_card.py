"""The data card: every word of it from the record, and no name that can break out of its place."""

from pathlib import Path
from typing import Any

import pytest

from coordinator.pairs.card import write_card

RECORD: dict[str, Any] = {
    "kind": "c3_pairs",
    "origins": ['mine"\n- evil: <b>|x', "MATH"],
    "allow_mix": ["mine", "math"],
    "runs": [{"pairs": "c3_pairs/mine-0", "splits": "c2_pairs/mine-1", "origin": "a|b\n# c", "commit": "0.1"}],
    "params": {"eos": "<|endoftext|>", "taxonomy": "operators"},
    "vocabulary": ["add", "a`b"],
    "pairs": {"train": 5, "validation": 0, "test": 1},
    "by_origin": {"MATH": 6},
    "dropped": {"wrong": 3},
    "without_split": 0,
    "against": {},
    "evaluation_texts": 0,
    "ngram": 13,
    "contaminated": 0,
    "commit": "0.1.0",
}


def card(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "README.md"
    files = {"train": "data/train.parquet", "test": "data/test.parquet"}
    results: dict[str, Any] = {"MATH (math-0)": {"levels": [{"level": None, "steps": 2, "mean": 1.234}], "claims": []}}
    write_card(path, RECORD | changes, results, files)
    return path.read_text()


def test_the_front_matter_is_yaml_whatever_the_names_are(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    front = yaml.safe_load(card(tmp_path).split("---\n")[1])
    assert front["pretty_name"] == 'Mycelium c3_pairs of mine"\n- evil: <b>|x and MATH'
    assert front["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train.parquet"},
        {"split": "test", "path": "data/test.parquet"},
    ]


def test_no_name_ends_a_line_a_cell_or_a_code_span(tmp_path: Path) -> None:
    body = card(tmp_path).split("---\n", 2)[2]
    assert "<b>" not in body
    assert "\n# c" not in body
    assert "a\\|b # c" in body
    assert "`a'b`" in body


def test_the_card_says_how_much_there_is_and_what_is_not_in_it(tmp_path: Path) -> None:
    text = card(tmp_path)
    for line in ("| train | 5 |", "| wrong | 3 |", "| – | 2 | 1.23 |", "It was checked against no evaluation set."):
        assert line in text
    checked = card(tmp_path, against={"test.jsonl": "0"}, evaluation_texts=7, contaminated=2)
    assert "against 7 problems of test.jsonl: a row that shares 13 words in a row" in checked
    assert "| quotes the evaluation | 2 |" in checked
