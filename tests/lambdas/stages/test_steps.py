"""The stage that finds steps."""

from collections.abc import Sequence
from itertools import permutations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.stages.steps import CHAINS, STAGE, STEPS, StepsParams, digest_expression, map_chains, summarize_chunk
from mycelium.datasets import PROBLEMS
from mycelium.errors import NothingReadError
from mycelium.schema import Result, decode_chunk, encode_chunk
from mycelium.stats import add_tallies
from mycelium.store import MemoryStore
from mycelium.task import Task, decode_part, run_task
from tests.builders import GSM8K, build_run, make_header


def make_problems(chains: Sequence[str], *, first: int = 0, problem: str = "Tom has 48 kites.") -> pa.Table:
    rows = [
        {
            "problem_id": f"q{first + i}",
            "index": first + i,
            "problem": problem,
            "chain_of_thought": chain,
            "level": 1 + i % 2,
        }
        for i, chain in enumerate(chains)
    ]
    schema = PROBLEMS.arrow_schema()
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


def find(chains: Sequence[str], **params: bool) -> tuple[pa.Table, pa.Table]:
    first, second = map_chains([make_problems(chains)], StepsParams(**params))
    return first, second


CHAIN = "He gives half: 48/2 = <<48/2=24>>24. Then 24+1 = <<24+1=25>>25."


def test_a_step_is_a_row_with_its_operands_and_where_they_came_from() -> None:
    chains, steps = find([CHAIN])
    assert chains.to_pylist() == [
        {
            "problem_id": "q0",
            "index": 0,
            "level": 1,
            "n_segment": 2,
            "n_mention": 0,
            "n_step": 2,
            "n_refused": 0,
            "n_asked": 2,
            "n_parsed": 2,
            "refusal": None,
        }
    ]
    second = steps.to_pylist()[1]
    assert CHAIN[second["start"] : second["end"]] == second["expression"] == "24+1=25"
    assert (second["operands"], second["origins"], second["sources"]) == (["24", "1"], ["step", "new"], [0, -1])
    assert (second["results"], second["kind"], second["refusal"]) == (["25"], "annotation", None)


def test_the_tables_are_of_the_datasets() -> None:
    for dataset, table in zip((CHAINS, STEPS), find([CHAIN, "no mathematics"]), strict=True):
        decoded, _ = decode_chunk(encode_chunk(dataset, table, make_header(dataset)), dataset)
        assert decoded.num_rows == table.num_rows


def test_a_refused_step_stays_with_its_reason() -> None:
    chains, steps = find(["$1+1=2$ and $(1+$"])
    assert steps["refusal"].to_pylist() == [None, "unclosed"]
    assert chains["n_refused"].to_pylist() == [1]


@pytest.mark.parametrize("chains", [["$(1+$", "$\\foo$ and $)$"], ["x = 1. " * 9_000]])
def test_a_chunk_of_which_nothing_could_be_read_is_an_error(chains: list[str]) -> None:
    with pytest.raises(NothingReadError, match="can be read"):
        find(chains)


def test_a_chunk_without_mathematics_is_no_error() -> None:
    chains, steps = find(["it is so", ""])
    assert chains["n_step"].to_pylist() == [0, 0]
    assert steps.num_rows == 0


def test_mentions_are_kept_when_asked_for() -> None:
    assert find(["take $x$ and $y = 1$"])[1].num_rows == 1
    assert find(["take $x$ and $y = 1$"], mentions=True)[1].num_rows == 2


def test_spacing_makes_no_other_expression() -> None:
    assert digest_expression("1 +  1\n= 2") == digest_expression("1 + 1 = 2") != digest_expression("1+1=3")
    assert len(digest_expression("\ud800")) == 16


def conclude(parts: Sequence[pa.Table]) -> Result:
    return STAGE.conclude(STAGE.reduce(parts), StepsParams())


def part(chains: Sequence[str], first: int = 0) -> pa.Table:
    return summarize_chunk(map_chains([make_problems(chains, first=first)], StepsParams()))


def test_distinct_steps_are_counted_over_all_chunks() -> None:
    result = conclude([part([CHAIN, "$x = 5$"]), part([CHAIN, "nothing"], first=2)])
    assert result["totals"][0] == {
        "problems": 4,
        "problems_without_step": 1,
        "segments": 5,
        "steps": 5,
        "distinct_steps": 3,
        "share_repeated": pytest.approx(0.4),
        "expressions": 5,
        "expressions_parsed": 5,
        "share_saved": 0.0,
        "paper_distinct_steps": 41_787,
        "paper_problems": 5_850,
    }
    assert [(row["level"], row["problems"], row["steps_each"]) for row in result["levels"]] == [
        (1, 2, 2.0),
        (2, 2, 0.5),
    ]
    assert result["kinds"] == [{"kind": "annotation", "count": 4}, {"kind": "dollar", "count": 1}]


def test_the_share_of_parsing_saved_counts_what_a_chunk_repeats() -> None:
    (totals,) = conclude([part([CHAIN, CHAIN, "$x = 5$"])])["totals"]
    assert (totals["expressions"], totals["expressions_parsed"]) == (5, 3)
    assert totals["share_saved"] == pytest.approx(0.4)


def test_a_distinct_step_names_the_first_place_where_it_stands_and_no_text() -> None:
    total = add_tallies([part(["nothing", CHAIN], first=2), part([CHAIN])])
    rows = {row["key"]: row for row in total.to_pylist() if row["name"] == "distinct"}
    row = rows[digest_expression("24+1=25")]
    assert (row["count"], row["first"]) == (2, 1)  # problem 0, step 1
    assert all(len(key) == 16 for key in rows)


pieces = st.lists(st.sampled_from([CHAIN, "$x=1$", "$1+1$", "nothing", "$(1+$ $1+1$"]), min_size=1, max_size=3)


@given(st.lists(pieces, min_size=3, max_size=3))
def test_the_reduce_is_associative_and_the_order_of_chunks_no_matter(chunks: list[list[str]]) -> None:
    parts = [part(chains, first=10 * i) for i, chains in enumerate(chunks)]
    whole = add_tallies(parts)
    for one, two, three in permutations(parts):
        assert add_tallies([add_tallies([one, two]), three]).equals(whole)
        assert add_tallies([one, add_tallies([two, three])]).equals(whole)


def test_nothing_at_all_concludes_to_nothing() -> None:
    result = conclude([part([])])
    assert result["totals"][0]["steps"] == 0
    assert result["levels"] == []


@pytest.mark.parametrize("again", [False, True])
def test_a_task_runs_the_stage_and_a_second_one_finds_it(again: bool) -> None:
    store = MemoryStore()
    run = build_run(store, [make_problems([CHAIN])], PROBLEMS, "gsm8k-aaaaaaaaaaaa")
    task = Task("00000", "gsm8k-bbbbbbbbbbbb", "steps", {}, (run.manifest.chunks("problems")["00000"],), GSM8K, GSM8K)
    result = run_task(task, STAGE, StepsParams(), store, store)
    if again:
        result = run_task(task, STAGE, StepsParams(), store, store)
    assert result.outcome.error is None
    assert result.outcome.status == ("found" if again else "done")
    assert [ref.dataset for ref in result.outcome.outputs] == ["chains", "steps"]
    assert result.part is not None
    assert decode_part(result.part).equals(part([CHAIN]))


def test_the_same_chunk_gives_the_same_bytes() -> None:
    tables = [find([CHAIN, "$x=1$"]) for _ in range(2)]
    first, second = (
        [
            encode_chunk(dataset, table, make_header(dataset))
            for dataset, table in zip((CHAINS, STEPS), pair, strict=True)
        ]
        for pair in tables
    )
    assert first == second
