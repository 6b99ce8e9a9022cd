"""Counts by head: sums that add in any grouping, and the choice and the levels that a slow loop finds, too."""

import statistics
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.heads import HeadCounts, check_head, select_head
from mycelium.schema import Selection

COUNTS = HeadCounts("things", "merit", "best_head")
ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 2),
        st.one_of(st.none(), st.integers(1, 3)),
        st.integers(0, 9),
        st.integers(0, 4).map(lambda quarter: quarter / 4),
    ),
    min_size=1,
    max_size=30,
)


@dataclass(frozen=True)
class Params:
    """A layer and a head, or none."""

    layer: int | None = None
    head: int | None = None


def part(rows: list[tuple[int, int, int | None, int, float]]) -> pa.Table:
    layers, heads, levels, counts, merits = zip(*rows, strict=True)
    table = pa.table(
        {
            "layer": pa.array(layers, pa.int16()),
            "head": pa.array(heads, pa.int16()),
            "level": pa.array(levels, pa.int8()),
        }
    )
    return COUNTS.summarize(table, pa.chunked_array([pa.array(counts, pa.int64())]), np.array(merits))


@given(ROWS, st.integers(0, 30))
def test_any_grouping_gives_the_same_part(rows: list[tuple[int, int, int | None, int, float]], cut: int) -> None:
    halves = [part(half) for half in (rows[:cut], rows[cut:]) if half]
    assert COUNTS.reduce(halves).equals(part(rows))
    assert COUNTS.reduce([COUNTS.reduce([half]) for half in halves[::-1]]).equals(part(rows))


@given(ROWS)
def test_a_part_is_what_arrow_makes_by_grouping_and_sorting(
    rows: list[tuple[int, int, int | None, int, float]],
) -> None:
    keys, made = ["layer", "head", "level"], part(rows)
    sums = ["problems", "things", "things_squared", "merit"]
    every = pa.concat_tables([part([row]) for row in rows])
    grouped = every.group_by(keys, use_threads=False).aggregate([(name, "sum") for name in sums])
    ordered = grouped.rename_columns(keys + sums).sort_by([(name, "ascending") for name in keys])
    assert made.equals(ordered.combine_chunks())
    assert made.schema.equals(ordered.schema)


@given(ROWS)
def test_a_slow_loop_chooses_the_same_head_and_finds_the_same_levels(
    rows: list[tuple[int, int, int | None, int, float]],
) -> None:
    result = COUNTS.conclude(part(rows), Params())
    merits: dict[tuple[int, int], list[float]] = {}
    for layer, head, _, _, merit in rows:
        merits.setdefault((layer, head), []).append(merit)
    best = min(merits, key=lambda key: (-statistics.fmean(merits[key]), key))
    (chosen,) = result["best_head"]
    assert (chosen["layer"], chosen["head"]) == best
    assert chosen["merit"] == pytest.approx(statistics.fmean(merits[best]))
    counts: dict[int | None, list[int]] = {}
    for layer, head, level, count, _ in rows:
        if (layer, head) == best:
            counts.setdefault(level, []).append(count)
    assert {row["level"]: row["problems"] for row in result["levels"]} == {k: len(v) for k, v in counts.items()}
    for row in result["levels"]:
        mine = counts[cast("int | None", row["level"])]
        assert row["mean"] == pytest.approx(statistics.fmean(mine))
        assert row["deviation"] == (None if len(mine) < 2 else pytest.approx(statistics.stdev(mine)))


def test_a_head_that_was_named_is_given_and_not_chosen() -> None:
    rows: list[tuple[int, int, int | None, int, float]] = [(1, 2, 3, 4, 0.5)]
    assert COUNTS.conclude(part(rows), Params(1, 2))["best_head"][0]["chosen_by"] == "given"
    assert COUNTS.conclude(part(rows), Params(1))["best_head"][0]["chosen_by"] == "merit"


def test_no_problems_give_empty_tables() -> None:
    nothing = part([(0, 0, 1, 1, 0.0)]).slice(0, 0)
    assert COUNTS.conclude(nothing, Params()) == {"best_head": [], "heads": [], "levels": []}


def test_no_more_is_read_than_was_asked_for() -> None:
    assert select_head(Params()) == Selection()
    assert select_head(Params(2, 7)) == Selection(("layer", "problem_id", "level", "head_007"), 2)


@pytest.mark.parametrize("params", [Params(-1), Params(None, -1)])
def test_a_negative_head_is_refused(params: Params) -> None:
    with pytest.raises(ValueError, match="count from 0"):
        check_head(params)
