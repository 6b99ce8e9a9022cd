"""Answers add up exactly, in any order and grouping, and say the same however the steps are cut into chunks."""

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.bottleneck.rows import Question, Sums, accumulate
from mycelium.task import decode_part, encode_part
from mycelium.templates.answers import (
    add_answers,
    answer_question,
    ask_rows,
    ask_sample,
    ask_sums,
    ask_survey,
    decode_sums,
    encode_sums,
    unpack,
)
from mycelium.templates.chunks import read_chunk
from mycelium.templates.find import find_templates
from mycelium.templates.fitted import Fitted
from tests.mycelium.templates.world import DIMENSIONS, KINDS, PARAMS, Tables, ask_here, make_chunk, recut

CHUNKS = [make_chunk(i, blank=0.1) for i in range(5)]
FITTED = Fitted.from_table(find_templates(ask_here(CHUNKS), PARAMS))
QUESTION = Question(
    FITTED.centroids,
    moments=(1, 0),
    clusters=(0, 1),
    directions=np.array([[1.0, 0, 0, 0, -1], [0, 0.5, 0, 0.25, 0]]),
    edges=np.array([[-0.5, 0.5], [0.1, 0.2]]),
)
QUESTIONS = {
    "survey": ask_survey(),
    "sample": ask_sample(1 << 64),
    "half": ask_sample(1 << 63),
    "rows": ask_rows(FITTED),
    "sums": ask_sums(FITTED, QUESTION),
}


def answer(tables: Tables, name: str) -> pa.Table:
    # As it arrives over the wire.
    question = decode_part(encode_part(QUESTIONS[name]))
    return decode_part(encode_part(answer_question([*tables, question], PARAMS)))


@pytest.mark.parametrize("name", QUESTIONS)
def test_any_order_and_grouping_gives_the_same_bytes(name: str) -> None:
    parts = [answer(tables, name) for tables in CHUNKS[:4]]
    whole = encode_part(add_answers(parts))
    for one, two, three, four in permutations(parts):
        left = add_answers([add_answers([one, two]), add_answers([three, four])])
        assert encode_part(left) == whole
        assert encode_part(add_answers([one, add_answers([two, add_answers([three, four])])])) == whole


@pytest.mark.parametrize("name", ["sample", "half", "rows", "sums"])
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_however_the_steps_are_cut_the_answer_is_the_same(name: str, n: int) -> None:
    whole = add_answers([answer(tables, name) for tables in CHUNKS])
    cut = add_answers([answer(tables, name) for tables in recut(CHUNKS, n)])
    assert encode_part(cut) == encode_part(whole)


def test_a_survey_counts_steps_labels_and_embeddings() -> None:
    total = add_answers([answer(tables, "survey") for tables in CHUNKS])
    counts = {(row["name"], row["key"].decode()): row["count"] for row in total.to_pylist()}
    labels = [label for tables in CHUNKS for label in tables[2]["primary"].to_pylist()]
    assert counts[("step", "")] == len(labels) == 240
    assert counts[("labelled", "")] == len(labels) - labels.count(None)
    assert {kind: counts[("label", kind)] for kind in KINDS} == {kind: labels.count(kind) for kind in KINDS}
    assert counts[("dimensions", str(DIMENSIONS))] == 5


def test_a_sample_holds_whole_problems_and_no_more_than_are_asked_for() -> None:
    whole = add_answers([answer(tables, "sample") for tables in CHUNKS])
    half = add_answers([answer(tables, "half") for tables in CHUNKS])
    assert whole.num_rows == 240
    assert half.num_rows == sum(hashed < 1 << 63 for hashed in whole["problem"].to_pylist())
    assert 0 < half.num_rows < 240
    assert set(half["problem"].value_counts().field("counts").to_pylist()) == {6}
    expected = np.concatenate([read_chunk(tables).features for tables in CHUNKS])
    np.testing.assert_array_equal(unpack(whole["x"], np.float16), expected)


def test_sums_are_those_of_the_bottleneck() -> None:
    total = decode_sums(add_answers([answer(tables, "sums") for tables in CHUNKS]))
    rows = np.concatenate([FITTED.rows(read_chunk(tables)) for tables in CHUNKS])
    expected = accumulate(rows, QUESTION)
    for name in ("counts", "labels", "moments", "bin_counts", "bin_labels"):
        np.testing.assert_array_equal(getattr(total, name), getattr(expected, name))


def test_a_question_without_directions_is_answered() -> None:
    question = ask_sums(FITTED, Question(FITTED.centroids))
    (one,) = [decode_sums(answer_question([*CHUNKS[0], question], PARAMS))]
    assert one.counts.sum() == 48
    assert one.bin_counts.shape == (0, 0)
    assert one.bin_labels.shape == (0, 0, len(KINDS))


def test_a_chunk_without_steps_answers_everything() -> None:
    empty = [table.slice(0, 0).replace_schema_metadata(table.schema.metadata) for table in CHUNKS[0]]
    for name in QUESTIONS:
        alone = answer(CHUNKS[0], name)
        assert encode_part(add_answers([alone, answer(empty, name)])) == encode_part(add_answers([alone]))


@settings(max_examples=50)
@given(st.lists(st.integers(-(1 << 62), 1 << 62), min_size=1, max_size=6), st.integers(0, 3))
def test_sums_come_back_as_they_were(values: list[int], asked: int) -> None:
    counts = np.array(values, np.int64)
    moments = np.arange(asked * 4, dtype=np.int64).reshape(asked, 2, 2)
    sums = Sums(counts, counts[None, :], moments, np.zeros((0, 0), np.int64), np.zeros((0, 0, 2), np.int64))
    back = decode_sums(decode_part(encode_part(encode_sums(sums))))
    for name in ("counts", "labels", "moments", "bin_counts", "bin_labels"):
        np.testing.assert_array_equal(getattr(back, name), getattr(sums, name))
        assert getattr(back, name).shape == getattr(sums, name).shape
