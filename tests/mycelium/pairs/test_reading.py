"""What a trainer is given, and what it is refused."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from mycelium.errors import WrongDatasetError
from mycelium.pairs.reading import check_ends, keep_pairs, read_targets

EOS = "<|endoftext|>"
QWEN = "Qwen/Qwen2.5-Math-7B"


def pairs(targets: Sequence[str] = ("1 + 2" + EOS,), eos: str = EOS, tokenizer: str = QWEN) -> pa.Table:
    n = len(targets)
    return pa.table(
        {
            "prompt": [f"[TEMPLATE: add] {i}" for i in range(n)],
            "target": pa.array(targets, pa.string()),
            "eos": pa.array([eos] * n, pa.string()),
            "tokenizer": pa.array([tokenizer] * n, pa.string()),
        }
    )


def test_good_pairs_are_prompts_and_targets() -> None:
    table = read_targets(pairs(), QWEN, EOS)
    assert table.to_pylist() == [{"prompt": "[TEMPLATE: add] 0", "target": "1 + 2<|endoftext|>"}]


def test_dropped_steps_are_left_out() -> None:
    table = pairs(["1" + EOS, ""]).append_column("drop", pa.array([None, "wrong"], pa.string()))
    assert keep_pairs(table).num_rows == 1
    assert read_targets(table, QWEN).num_rows == 1


@pytest.mark.parametrize("column", ["prompt", "target", "eos", "tokenizer"])
def test_a_file_that_does_not_say_how_its_targets_end_is_refused(column: str) -> None:
    with pytest.raises(WrongDatasetError, match=f"these lack {column}: a target without its end of sequence"):
        read_targets(pairs().drop_columns([column]), QWEN)


@pytest.mark.parametrize("target", ["1 + 2", "", EOS + "1", "1" + EOS + " ", "1" + EOS + EOS, "1<|endoftext|"])
def test_a_target_that_does_not_end_once_is_refused(target: str) -> None:
    with pytest.raises(WrongDatasetError, match=r"every target ends with '<\|endoftext\|>', once; 1 do not"):
        read_targets(pairs(["1" + EOS, target]), QWEN)


def test_another_tokenizer_is_refused_by_name() -> None:
    with pytest.raises(WrongDatasetError, match="written for tokenizer .*Qwen.*, not 'meta/llama'"):
        read_targets(pairs(), "meta/llama")
    with pytest.raises(WrongDatasetError, match="written for eos"):
        read_targets(pairs(), QWEN, "</s>")


def test_two_tokenizers_in_one_table_are_refused() -> None:
    with pytest.raises(WrongDatasetError, match="written for tokenizer"):
        read_targets(pa.concat_tables([pairs(), pairs(tokenizer="other")]), QWEN)


def test_an_empty_end_of_sequence_is_none() -> None:
    with pytest.raises(WrongDatasetError, match="some text; got none"):
        check_ends(pa.chunked_array([["1"]]), "")


def test_no_pairs_are_no_error() -> None:
    assert read_targets(pairs([]), QWEN).num_rows == 0
