"""A plan deals problems out by their tokens, and says hours and dollars without starting anything."""

from dataclasses import replace

import pyarrow as pa
import pytest

from coordinator.fleet.plan import Allocation, FleetPlan, measure_rate, plan_fleet, weigh_problems
from mycelium.datasets import IAF, TOKENS
from mycelium.errors import ChunkDamagedError
from mycelium.fleet.shards import Shard
from mycelium.manifest import write_manifest
from mycelium.schema import Provenance
from mycelium.store import MemoryStore, Store
from tests.builders import build_run, make_iaf
from tests.coordinator.fleet.conftest import build_problems

TAUGHT = Provenance("math", "MATH", "teacher@0")


def add_tokens(store: Store, per_chunk: list[list[int]], *, complete: bool = True) -> None:
    """Write a run of `tokens` over the problems: so many tokens each, ten of them the prompt's."""
    tables = []
    for i, counts in enumerate(per_chunk):
        rows = {
            "problem_id": [f"q{i}-{j}" for j in range(len(counts))],
            "level": [1] * len(counts),
            "n_input": [10] * len(counts),
            "n_generated": [count - 10 for count in counts],
            "tokens": [["x"]] * len(counts),
            "skipped": [None] * len(counts),
        }
        tables.append(pa.table(rows, schema=TOKENS.arrow_schema()))
    run = build_run(store, tables, TOKENS, "math-cccccccccccc", provenance=TAUGHT, complete=complete).manifest
    write_manifest(store, replace(run, inputs=("problems/math-bbbbbbbbbbbb",)), (TOKENS,))


def ranges(plan: FleetPlan) -> list[tuple[int, int]]:
    return [(allocation.share.start, allocation.share.end) for allocation in plan.allocations]


def test_the_plan_that_was_made_by_hand_comes_out_again() -> None:
    store = MemoryStore()
    problems = build_problems(store, [64] * 122 + [34])
    plan = plan_fleet(store, problems, 4, 4, rate=7842 / 4 / 3600, prices={"on-demand": 1.0, "spot": 0.5})
    assert ranges(plan) == [(0, 1960), (1961, 3921), (3922, 5882), (5883, 7841)]
    assert sum(allocation.n_chunks for allocation in plan.allocations) == 123
    assert [round(plan.hours(a) or 0, 3) for a in plan.allocations] == [1.0, 1.0, 1.0, 0.999]


def test_shards_cover_every_chunk_once_and_none_is_empty() -> None:
    store = MemoryStore()
    problems = build_problems(store, [8] * 5)
    plan = plan_fleet(store, problems, 4, 4)
    firsts = [0, 8, 16, 24, 32]
    held = [[first for first in firsts if shard.start <= first <= shard.end] for shard in plan.shards]
    assert [first for found in held for first in found] == firsts
    assert all(held)
    assert [shard.number for shard in plan.shards] == list(range(len(plan.shards)))


def test_characters_stand_in_for_tokens_and_tokens_are_better() -> None:
    store = MemoryStore()
    problems = build_problems(store, [2, 2], ["a" * 94, "é" * 4, "b" * 4, "c" * 4])
    weights, unit = weigh_problems(store, problems)
    assert (weights.tolist(), unit) == ([100, 10, 10, 10], "characters")
    assert ranges(plan_fleet(store, problems, 2, 1)) == [(0, 0), (1, 3)]
    add_tokens(store, [[20, 20], [20, 60]])
    weights, unit = weigh_problems(store, problems)
    assert (weights.tolist(), unit) == ([20, 20, 20, 60], "tokens")
    assert ranges(plan_fleet(store, problems, 2, 1)) == [(0, 2), (3, 3)]


def test_tokens_of_a_run_that_is_not_complete_are_not_taken() -> None:
    store = MemoryStore()
    problems = build_problems(store, [1, 1])
    add_tokens(store, [[20], [30]], complete=False)
    assert weigh_problems(store, problems)[1] == "characters"


def test_the_speed_is_given_or_measured_or_not_known() -> None:
    store = MemoryStore()
    problems = build_problems(store, [4])
    assert plan_fleet(store, problems, 1, 1, rate=2.0).rate == 2.0
    assert measure_rate(store)[0] is None
    unknown = plan_fleet(store, problems, 1, 1)
    assert unknown.hours(unknown.allocations[0]) is None
    run = build_run(store, [make_iaf()], provenance=TAUGHT, run_id="math-dddddddddddd").manifest
    outcomes = tuple(replace(outcome, n_input=30, wall_s=60.0) for outcome in run.outcomes)
    write_manifest(store, replace(run, outcomes=outcomes), (IAF,))
    assert measure_rate(store) == (0.5, "measured in iaf/math-dddddddddddd")


def test_a_chunk_with_other_problems_than_its_manifest_says_is_refused() -> None:
    store = MemoryStore()
    problems = build_problems(store, [2, 2])
    outcomes = tuple(replace(outcome, n_problems=3) for outcome in problems.outcomes)
    with pytest.raises(ChunkDamagedError, match="has 2 problems, and the manifest says 3"):
        weigh_problems(store, replace(problems, outcomes=outcomes))


def test_hours_are_in_proportion_to_work() -> None:
    problems = build_problems(MemoryStore(), [4])
    shares = (Shard(0, 0, 0, 300), Shard(1, 1, 3, 100))
    plan = FleetPlan(problems, "tokens", tuple(Allocation(s.number, s, (s,), 1) for s in shares), 1.0, "given", {})
    assert [plan.hours(allocation) for allocation in plan.allocations] == [3 / 3600, 1 / 3600]
