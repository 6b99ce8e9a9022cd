"""The stage that pairs problems with operations."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest

from lambdas.stages.c2_pairs import (
    C2_PAIRS,
    SPLITS_OF_GROUPS,
    STAGE,
    C2PairsParams,
    map_problems,
    settle_head,
    summarize_chunk,
)
from lambdas.stages.heartbeat import HEARTBEATS
from lambdas.stages.labels import LABELS
from lambdas.stages.steps import CHAINS
from lambdas.stages.templates import ASSIGNMENTS
from mycelium.datasets import PROBLEMS
from mycelium.errors import WrongDatasetError
from mycelium.schema import Result, encode_chunk
from tests.builders import make_header
from tests.lambdas.stages.pair_chunks import Chunk, assign, make_beats, make_chunk, with_bad_text

APPLES = ("Tom has 3 apples and buys 4.", "He has 3 + 4 = <<3+4=7>>7 apples. Half is <<7/2=3.5>>3.5.")
TWIN = ("Tom has 30 apples and buys 41.", "He has <<30+41=71>>71 apples.")
PEARS = ("Ann sells 5 pears at 2.", r"She gets $5 \cdot 2 = 10$ at $(1, 2)$.")
NOTHING = ("Who was it?", "Nobody knows.")
UNREADABLE = ("Read this.", r"It is $\left( 1 +$.")


def pair(chunk: Chunk, params: C2PairsParams | None = None, *beats: pa.Table) -> pa.Table:
    (table,) = map_problems([chunk.problems, chunk.chains, chunk.labels, *beats], params or C2PairsParams())
    return table


def conclude(tables: Sequence[pa.Table], params: C2PairsParams | None = None) -> Result:
    return STAGE.conclude(STAGE.reduce([summarize_chunk([table]) for table in tables]), params or C2PairsParams())


def test_a_problem_has_the_classes_of_its_steps_and_its_clocks() -> None:
    first, second = pair(make_chunk([APPLES, PEARS])).to_pylist()
    assert first["classes"] == ["add", "div", "eq"]
    assert (first["text"], first["level"], first["subject"]) == (APPLES[0], 1, "Algebra")
    assert (first["n_step"], first["n_unlabelled"], first["n_heartbeat"], first["drop"]) == (2, 0, None, None)
    assert second["classes"] == ["eq", "mul", "tuple"]
    assert second["n_segment"] >= second["n_step"]


def test_twins_are_of_one_group() -> None:
    one, other, third = pair(make_chunk([APPLES, TWIN, PEARS]))["group"].to_pylist()
    assert one == other != third


def test_heartbeats_are_joined_by_problem_and_missing_ones_are_counted() -> None:
    params = C2PairsParams(heartbeats=True)
    table = pair(make_chunk([APPLES, PEARS]), params, make_beats({"q1": 9}))
    assert table["n_heartbeat"].to_pylist() == [None, 9]
    result = conclude([table], params)
    assert result["totals"][0]["without_heartbeats"] == 1
    assert [row["heartbeats_each"] for row in result["levels"]] == [None, 9.0]


def test_the_computing_head_of_the_heartbeats_counts_where_none_is_named() -> None:
    results: dict[str, Result] = {"heartbeats": {"computing_head": [{"layer": 3, "head": 4, "bimodality": 0.9}]}}
    asked = C2PairsParams(heartbeats=True)
    assert settle_head(asked, results) == C2PairsParams(heartbeats=True, layer=3, head=4)
    named = C2PairsParams(heartbeats=True, layer=0, head=1)
    assert settle_head(named, results) == named
    assert settle_head(asked, {"heartbeats": {"computing_head": []}}) == asked
    assert settle_head(C2PairsParams(), {}) == C2PairsParams()


def test_of_several_heads_the_computing_head_is_named() -> None:
    beats = make_beats({"q0": 5}, heads=((3, 4), (0, 1)))
    with pytest.raises(WrongDatasetError, match=r"2 heads: name the computing head by --layer and --head"):
        pair(make_chunk([APPLES]), C2PairsParams(heartbeats=True), beats)
    named = C2PairsParams(heartbeats=True, layer=0, head=1)
    assert pair(make_chunk([APPLES]), named, beats)["n_heartbeat"].to_pylist() == [6]


def test_templates_are_classes_too() -> None:
    params = C2PairsParams(taxonomy="templates")
    chunk = make_chunk([APPLES, PEARS, NOTHING])
    (table,) = map_problems([chunk.problems, chunk.chains, assign(chunk)], params)
    assert table["classes"].to_pylist() == [["template_000", "template_001"], ["template_000", "template_001"], []]
    assert table["taxonomy"].to_pylist() == ["templates"] * 3
    assert [row["class"] for row in conclude([table], params)["classes"]] == ["template_000", "template_001"]
    assert STAGE.inputs(params) == (PROBLEMS, CHAINS, ASSIGNMENTS)


def test_the_inputs_follow_from_the_parameters() -> None:
    assert STAGE.inputs(C2PairsParams()) == (PROBLEMS, CHAINS, LABELS)
    assert STAGE.inputs(C2PairsParams(heartbeats=True)) == (PROBLEMS, CHAINS, LABELS, HEARTBEATS)
    assert STAGE.optional == (HEARTBEATS,)


def test_what_is_no_pair_stays_with_its_reason_and_is_counted() -> None:
    chunk = make_chunk([APPLES, NOTHING, UNREADABLE, PEARS])
    chunk.problems = with_bad_text(chunk.problems, 3)
    table = pair(chunk)
    assert table["drop"].to_pylist() == [None, "no_step", "no_class", "bad_text"]
    assert table["text"].to_pylist()[3] == ""
    result = conclude([table])
    assert result["drops"] == [{"reason": name, "count": 1} for name in ("bad_text", "no_class", "no_step")]
    assert (result["totals"][0]["problems"], result["totals"][0]["pairs"]) == (4, 1)
    assert result["totals"][0]["steps_without_class"] == 1


def test_control_characters_are_replaced_and_counted() -> None:
    table = pair(make_chunk([("Tom\x00 has\x1b 3.", APPLES[1])]))
    assert (table["text"].to_pylist(), table["n_control"].to_pylist()) == (["Tom  has  3."], [2])
    assert conclude([table])["totals"][0]["texts_cleaned"] == 1


def test_a_step_without_a_row_of_labels_is_counted() -> None:
    chunk = make_chunk([APPLES])
    chunk.labels = chunk.labels.slice(0, 1)
    assert pair(chunk)["n_unlabelled"].to_pylist() == [1]


def test_tables_of_other_problems_are_refused() -> None:
    one, other = make_chunk([APPLES]), make_chunk([PEARS], first=7)
    one.labels = other.labels
    with pytest.raises(WrongDatasetError, match="labels has rows of problem 'q7'"):
        pair(one)
    with pytest.raises(WrongDatasetError, match="heartbeats has rows of problem 'z'"):
        pair(make_chunk([APPLES]), C2PairsParams(heartbeats=True), make_beats({"z": 1}))


def test_an_empty_chunk_is_no_error() -> None:
    table = pair(make_chunk([]))
    assert table.num_rows == 0
    result = conclude([table])
    assert (result["totals"][0]["pairs"], result["levels"]) == (0, [])


def test_twins_are_on_one_side_and_every_pair_has_a_split() -> None:
    names = ["Tom", "Ann", "Bob", "Eve"]
    tables = []
    for chunk in range(6):
        problems = [
            (
                f"{names[(i + chunk) % 4]} number{chr(97 + i)} has {chunk * 10 + i} apples.",
                f"<<{i}+{chunk}={i + chunk}>>",
            )
            for i in range(10)
        ]
        tables.append(pair(make_chunk(problems, first=10 * chunk)))
    total = STAGE.reduce([summarize_chunk([table]) for table in tables])
    assert STAGE.gather is not None
    splits = STAGE.gather(total, C2PairsParams())
    of_group = dict(zip(splits["group"].to_pylist(), splits["split"].to_pylist(), strict=True))
    groups = {group for table in tables for group in table["group"].to_pylist()}
    assert set(of_group) == groups
    assert len(groups) < 60
    assert sum(splits["n_problem"].to_pylist()) == 60
    assert set(of_group.values()) == {"train", "validation", "test"}
    assert splits["group"].to_pylist() == sorted(groups)
    shares = {row["split"]: row["problems"] for row in STAGE.conclude(total, C2PairsParams())["splits"]}
    assert sum(int(count or 0) for count in shares.values()) == 60


def test_chunks_in_any_order_and_grouping_give_the_same_bytes() -> None:
    chunks = [make_chunk([APPLES, TWIN]), make_chunk([PEARS], first=5), make_chunk([NOTHING, APPLES], first=8)]
    parts = [summarize_chunk([pair(chunk)]) for chunk in chunks]
    whole = STAGE.reduce(parts)
    assert STAGE.gather is not None
    header = make_header(SPLITS_OF_GROUPS)
    expected = encode_chunk(SPLITS_OF_GROUPS, STAGE.gather(whole, C2PairsParams()), header)
    for one, two, three in permutations(parts):
        for total in (STAGE.reduce([STAGE.reduce([one, two]), three]), STAGE.reduce([one, STAGE.reduce([two, three])])):
            assert total.equals(whole)
            assert encode_chunk(SPLITS_OF_GROUPS, STAGE.gather(total, C2PairsParams()), header) == expected


def test_the_same_chunk_gives_the_same_bytes() -> None:
    first, second = (encode_chunk(C2_PAIRS, pair(make_chunk([APPLES, PEARS])), make_header(C2_PAIRS)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"taxonomy": "colours"}, "a taxonomy is one of operators"),
        ({"validation": 0.6, "test": 0.4}, "below 1 together"),
        ({"layer": 3, "heartbeats": True}, "named by its layer and head"),
        ({"layer": -1, "head": 0, "heartbeats": True}, "both from 0"),
        ({"layer": 3, "head": 4}, "say --heartbeats true"),
    ],
)
def test_parameters_without_meaning_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        C2PairsParams(**values)
