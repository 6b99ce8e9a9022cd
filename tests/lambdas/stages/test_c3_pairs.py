"""The stage that pairs templates and problems with expressions."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest

from lambdas.stages.c3_pairs import C3_PAIRS, STAGE, C3PairsParams, map_steps, summarize_chunk
from mycelium.errors import WrongDatasetError
from mycelium.pairs.reading import read_targets
from mycelium.schema import Result, encode_chunk
from tests.builders import make_header
from tests.lambdas.stages.pair_chunks import Chunk, assign, make_chunk, with_bad_text

EOS = "<|endoftext|>"
WENG = (
    "Weng earns $12 an hour. Yesterday, she did 50 minutes of babysitting. How much did she earn per minute?",
    r"She earns $12/60 = $<<12/60=0.2>>0.2. For 50 minutes: <<0.2*50=10>>. Then <<10+4=14>>, <<10/2=6>>.",
)


def pair(chunk: Chunk, params: C3PairsParams | None = None) -> pa.Table:
    (table,) = map_steps([chunk.problems, chunk.steps, chunk.labels], params or C3PairsParams())
    return table


def rows(problem: str, chain: str, params: C3PairsParams | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pair(make_chunk([(problem, chain)]), params).to_pylist()
    return found


def conclude(tables: Sequence[pa.Table]) -> Result:
    return STAGE.conclude(STAGE.reduce([summarize_chunk([table]) for table in tables]), C3PairsParams())


def test_a_step_becomes_a_prompt_and_a_target_that_ends() -> None:
    (row,) = rows("Share 48 apples among 2 people.", r"Each gets $\frac{48}{2} = 24$.")
    assert row["prompt"] == "[TEMPLATE: div] Share 48 apples among 2 people."
    assert row["target"] == "48 / 2<|endoftext|>"
    assert (row["eos"], row["tokenizer"], row["claim"]) == (EOS, "Qwen/Qwen2.5-Math-7B", "value")
    assert (row["operands"], row["origins"], row["drop"]) == (["48", "2"], ["problem", "problem"], None)


def test_operands_come_from_the_problem_or_an_earlier_step() -> None:
    first, second, third, _ = rows("Weng has 12 and 60, then 50.", WENG[1])[-4:]
    assert (first["operands"], first["origins"]) == (["12", "60"], ["problem", "problem"])
    assert (second["operands"], second["origins"]) == (["0.2", "50"], ["step", "problem"])
    assert second["sources"][0] >= 0
    assert (third["drop"], third["detail"], third["origins"]) == ("operand_not_found", "4", ["step", "new"])


def test_a_share_of_the_problem_is_found() -> None:
    (row,) = rows("A coat of $80 is 25% off.", "It is <<80*0.25=20>> less.")
    assert (row["target"], row["origins"]) == ("80 * 0.25<|endoftext|>", ["problem", "problem"])
    (row,) = rows("A coat of $80 is a fifth off.", "It is <<80*0.2=16>> less.")
    assert row["drop"] == "operand_not_found"


def test_every_step_is_a_row_with_its_reason() -> None:
    chain = (
        r"$3+4=7$ $3+4=7$ $3+4=8$ $3 + 4$ $x = 3$ $3 + x = 4$ $3 + 4 < 9$ $\sin 3 = 4$ $\sqrt{3} \cdot 4 = 4\sqrt{3}$ "
        "$(3 +$ $3 - 11 = -8$"
    )
    reasons = [row["drop"] for row in rows("There are 3 and 4 and x.", chain)]
    assert reasons == [
        None,
        "repeated",
        "wrong",
        "no_claim",
        "no_operation",
        "open_equation",
        "not_equation",
        "no_form",
        "not_exact",
        "refused",
        "operand_not_found",
    ]
    dropped = rows("There are 3 and 4.", chain)[2]
    assert (dropped["prompt"], dropped["target"], dropped["expression"]) == ("", "", "3 + 4")


def test_the_class_is_that_of_the_expression() -> None:
    (row,) = rows("Take 3 and 4.", "$2x = 3 + 4 = 7$")
    assert (row["class"], row["expression"]) == ("add", "3 + 4")


def test_a_step_without_labels_has_no_class() -> None:
    chunk = make_chunk([("Take 3 and 4.", "<<3+4=7>> <<3*4=12>>")])
    chunk.labels = chunk.labels.slice(1)
    assert pair(chunk)["drop"].to_pylist() == ["no_class", None]


def test_a_template_is_a_class_too() -> None:
    chunk = make_chunk([("Take 3 and 4.", "<<3+4=7>> <<3*4=12>>")])
    chunk.labels = assign(chunk)
    table = pair(chunk, C3PairsParams(taxonomy="templates"))
    assert table["prompt"].to_pylist() == [f"[TEMPLATE: template_00{i}] Take 3 and 4." for i in range(2)]
    assert table["class"].to_pylist() == ["template_000", "template_001"]


@pytest.mark.parametrize("taxonomy", ["operators", "templates"])
def test_classes_of_another_run_of_steps_are_refused(taxonomy: str) -> None:
    chunk, other = (make_chunk([("Take 3 and 4.", chain)]) for chain in ("<<3+4=7>>", "<<3*4=12>>"))
    chunk.labels = other.labels if taxonomy == "operators" else assign(other)
    with pytest.raises(WrongDatasetError, match=r"has step 0 of problem 'q0'.*made from another run of steps"):
        pair(chunk, C3PairsParams(taxonomy=taxonomy))


def test_a_text_that_is_no_unicode_or_holds_the_end_of_sequence_gives_no_pair() -> None:
    chunk = make_chunk([("Take 3 and 4.", "<<3+4=7>>"), (f"Take 3 {EOS} and 4.", "<<3+4=7>>")])
    chunk.problems = with_bad_text(chunk.problems, 0)
    assert pair(chunk)["drop"].to_pylist() == ["bad_text", "eos_in_text"]


def test_control_characters_are_replaced_in_the_prompt() -> None:
    (row,) = rows("Take\x00 3 and 4.", "<<3+4=7>>")
    assert row["prompt"] == "[TEMPLATE: add] Take  3 and 4."


def test_steps_of_other_problems_are_refused() -> None:
    one, other = make_chunk([WENG]), make_chunk([WENG], first=5)
    one.steps = other.steps
    with pytest.raises(WrongDatasetError, match="steps has rows of problem 'q5'"):
        pair(one)


def test_the_summary_counts_every_step_once() -> None:
    tables = [pair(make_chunk([WENG, ("Take 3 and 4 of 5.", "<<3+4=7>> <<3+5=8>> <<7-5=2>>")])), pair(make_chunk([]))]
    result = conclude(tables)
    (totals,) = result["totals"]
    n_dropped = sum(int(row["count"] or 0) for row in result["drops"])
    assert totals["steps"] == sum(table.num_rows for table in tables)
    assert int(totals["pairs"] or 0) + n_dropped == totals["steps"]
    assert totals["share_dropped"] == pytest.approx(n_dropped / int(totals["steps"] or 1))
    assert (totals["prompts_with_several_targets"], totals["problems_with_a_pair"]) == (1, 2)
    assert sum(int(row["count"] or 0) for row in result["classes"]) == totals["pairs"]
    assert sum(int(row["count"] or 0) for row in result["claims"]) == totals["pairs"]


def test_an_empty_run_has_a_summary() -> None:
    result = conclude([pair(make_chunk([]))])
    assert (result["totals"][0]["share_dropped"], result["drops"]) == (0.0, [])


def test_the_reduce_is_associative() -> None:
    parts = [
        summarize_chunk([pair(make_chunk([one], first=i))]) for i, one in enumerate([WENG, ("3, 4", "<<3+4=7>>"), WENG])
    ]
    whole = STAGE.reduce(parts)
    for one, two, three in permutations(parts):
        assert STAGE.reduce([STAGE.reduce([one, two]), three]).equals(whole)


def test_what_is_written_is_what_a_trainer_may_read() -> None:
    table = pair(make_chunk([WENG]))
    assert read_targets(table, "Qwen/Qwen2.5-Math-7B", EOS).num_rows == table["drop"].null_count
    first, second = (encode_chunk(C3_PAIRS, pair(make_chunk([WENG])), make_header(C3_PAIRS)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"taxonomy": "colours"}, "a taxonomy is one of"),
        ({"tokenizer": " "}, "the tokenizer is named"),
        ({"eos": ""}, "some text without spaces"),
        ({"eos": " </s>"}, "some text without spaces"),
        ({"eos": "<\n>"}, "some text without spaces"),
    ],
)
def test_parameters_without_meaning_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        C3PairsParams(**values)
