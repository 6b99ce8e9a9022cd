"""Which field is what."""

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import UserInputError
from mycelium.foreign.fields import Problem, parse_field_options, understand_row

DATA = Path(__file__).parents[4] / "shared/data"


def understand(row: dict[str, Any], *options: str) -> Problem | str:
    return understand_row(row, parse_field_options(options), "fallback/7")


def test_gsm8k_as_its_authors_write_it() -> None:
    row = {"question": "How many?", "answer": "48/2 = <<48/2=24>>24\n#### 24"}
    assert understand(row) == Problem("fallback/7", "How many?", row["answer"], None, None, None, None, "GSM8K")


def test_math_as_its_authors_write_it() -> None:
    row = {"problem": "What?", "level": "Level 4", "type": "Algebra", "solution": "So $x=1$."}
    assert understand(row) == Problem("fallback/7", "What?", "So $x=1$.", 4, "Algebra", None, None, "MATH")


def test_samples_of_one_problem_have_ids_of_their_own() -> None:
    row = {"pid": "math/test/1", "problem": "p", "cot": "c", "gold": "3", "model": "M", "sample": 2, "level": 5}
    assert understand(row) == Problem("math/test/1#M#2", "p", "c", 5, None, "3", "M", "MATH")


def test_a_problem_may_say_its_origin_itself() -> None:
    found = understand({"problem": "p", "solution": "c", "origin": "generated", "level": 1})
    assert isinstance(found, Problem)
    assert found.origin == "generated"


def test_the_user_s_mapping_wins() -> None:
    row = {"task": "p", "worked": "c", "solution": "other", "grade": 3}
    found = understand(row, "problem=task", "cot=worked", "level=grade")
    assert isinstance(found, Problem)
    assert (found.problem, found.chain_of_thought, found.level, found.origin) == ("p", "c", 3, None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"solution": "c"}, "no problem text in any of problem, question, prompt"),
        ({"problem": "  ", "solution": "c"}, "no problem text in field 'problem'"),
        ({"problem": "p"}, "no chain of thought in any of"),
        ({"problem": "p", "cot": None, "solution": ""}, "no chain of thought in field 'solution'"),
        ({"problem": ["p"], "solution": "c"}, "no problem text"),
        ({"problem": "p\ud800", "solution": "c"}, "half of a surrogate pair"),
        ({"problem": "p", "solution": "c\udfff"}, "half of a surrogate pair"),
        ({"problem": "p", "solution": "c", "subject": "\udc00"}, "field 'subject' holds half"),
    ],
)
def test_a_row_without_what_it_needs_says_what(row: dict[str, Any], words: str) -> None:
    assert words in str(understand(row))


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        *[(1, 1), ("5", 5), ("Level 3", 3), (" level 2 ", 2), (4.0, 4)],
        *[("Level ?", None), (0, None), (6, None), (2.5, None), (None, None), (True, None), ([3], None)],
        *[("nan", None), (float("nan"), None), (float("inf"), None)],
    ],
)
def test_levels_are_1_to_5_or_none(level: object, expected: int | None) -> None:
    found = understand({"problem": "p", "solution": "c", "level": level})
    assert isinstance(found, Problem)
    assert found.level == expected


@pytest.mark.parametrize("option", ["cot", "cot=", "=x", "nonsense=x", ""])
def test_a_mapping_that_means_nothing_is_refused(option: str) -> None:
    with pytest.raises(UserInputError, match="--field takes OURS=THEIRS"):
        parse_field_options((option,))


@given(
    st.dictionaries(
        st.sampled_from(["id", "problem", "solution", "level", "answer", "sample"]),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)), st.lists, max_leaves=4
        ),
    )
)
def test_any_row_is_understood_or_refused(row: dict[str, Any]) -> None:
    assert isinstance(understand(row), Problem | str)


@pytest.mark.parametrize(
    ("file", "origin", "with_level"),
    [
        ("gsm8k_train.jsonl.gz", "GSM8K", False),
        ("math_visible.jsonl.gz", "MATH", True),
        ("cot_qwen_official_math100x8.jsonl.gz", "MATH", True),
        ("cot_zeroeval_math_l5.jsonl.gz", "MATH", True),
        ("cot_llama31_8b_math_train.jsonl.gz", "MATH", True),
    ],
)
def test_every_row_of_the_real_data_is_recognised(file: str, origin: str, with_level: bool) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"{DATA / file} is not here")
    ids, rejected = set(), 0
    with gzip.open(DATA / file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            found = understand_row(row, {}, f"row/{number}")
            if not row.get("cot", "something"):  # Llama left some problems unanswered: rejects, with this reason
                assert found == "no chain of thought in field 'cot'"
                rejected += 1
                continue
            assert isinstance(found, Problem), (number, found)
            assert found.origin == origin
            assert found.level is not None or not with_level or "math_visible" in file
            ids.add(found.problem_id)
    assert len(ids) + rejected == number + 1
    assert rejected == (183 if "llama" in file else 0)


def test_a_problem_without_a_chain_of_thought_is_one_where_none_is_needed() -> None:
    found = understand_row({"problem": "p", "final": "3"}, {}, "x", needs_chain=False)
    assert found == Problem("x", "p", "", None, None, "3", None, None)
    assert understand_row({"final": "3"}, {}, "x", needs_chain=False) != found


@pytest.mark.parametrize("field", ["id", "problem", "solution", "type", "author", "sample", "origin"])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(field: str) -> None:
    row = {"problem": "p", "solution": "s", field: "half: \ud83d"}
    assert understand_row(row, {}, "x") == f"field {field!r} holds half of a surrogate pair: not Unicode text"


@given(st.dictionaries(st.sampled_from(["id", "sample", "origin", "author"]), st.text(st.characters(), max_size=3)))
def test_what_is_understood_can_be_written(row: dict[str, Any]) -> None:
    found = understand_row({"problem": "p", "solution": "s"} | row, {}, "x")
    assert isinstance(found, str) or json.dumps(asdict(found), ensure_ascii=False).encode()
