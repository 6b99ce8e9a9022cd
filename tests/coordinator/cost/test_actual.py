"""What a run cost, from its manifest: what is counted, what is derived, and what is said to be missing."""

from dataclasses import replace
from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cost.actual import actual_cost, count_outcome, count_reads, describe_cost
from coordinator.cost.prices import LIST_PRICES
from coordinator.cost.usage import Usage
from lambdas.stages import find_stage
from lambdas.stages.heartbeat import STAGE
from mycelium.datasets import PROBLEMS
from mycelium.manifest import Manifest, ObjectRef, Outcome
from mycelium.plan import plan_run
from mycelium.schema import Row
from mycelium.store import MemoryStore
from mycelium.task import run_task
from tests.builders import build_run, make_computing_problems, make_iaf

OUTPUT = (ObjectRef("heartbeats", "heartbeats/run/00000.parquet", 100, "0" * 64),)
GB = STAGE.memory_mb / 1024


@cache
def make_base() -> Manifest:
    return build_run(MemoryStore(), [make_iaf()]).manifest


def make_manifest(*outcomes: Outcome, executor: str = "lambda", n_chunks: int | None = None) -> Manifest:
    manifest = make_base()
    numbered = tuple(replace(outcome, chunk_id=f"{i:05d}") for i, outcome in enumerate(outcomes))
    return replace(
        manifest,
        stage="heartbeat",
        executor=executor,
        inputs=("iaf/gsm8k-aaaaaaaaaaaa",),
        outcomes=numbered,
        n_chunks=len(outcomes) if n_chunks is None else n_chunks,
    )


def test_a_run_on_lambda_is_its_time_its_calls_its_objects_and_its_listings() -> None:
    done = Outcome("", "done", OUTPUT, billed_ms=2000, attempts=1)
    tried_again = Outcome("", "done", OUTPUT, billed_ms=5000, attempts=3)
    failed = Outcome("", "failed", billed_ms=500, attempts=1, error="no", error_kind="KeyError")
    found = Outcome("", "found", OUTPUT, attempts=0)
    cost = actual_cost(make_manifest(done, tried_again, failed, found))
    # Two listings to plan, and one manifest.
    assert cost.usage == Usage(gb_s=7.5 * GB, lambda_requests=5, s3_gets=5 + 1, s3_puts=2 + 2 + 1)
    assert cost.usd == pytest.approx(
        7.5 * GB * 0.0000133334 + 5 * 0.0000002 + 6 * 0.0000004 + 5 * 0.000005,
    )
    assert cost.unknown == ()


class Counting(MemoryStore):
    """Counts what is read of it."""

    n_reads = 0

    def get(self, key: str) -> bytes:
        self.n_reads += 1
        return super().get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.n_reads += 1
        return super().get(key)[start : start + length]


@pytest.mark.parametrize(("stage_name", "reads"), [("heartbeat", 1), ("steps", 2)])
def test_as_many_reads_are_counted_as_a_task_makes(stage_name: str, reads: int) -> None:
    store, stage = Counting(), find_stage(stage_name)
    inputs = (
        build_run(store, [make_iaf()])
        if stage_name == "heartbeat"
        else build_run(store, [make_computing_problems(9)], PROBLEMS)
    ).manifest
    plan = plan_run(store, store, stage, stage.params, [inputs])
    store.n_reads = 0
    assert run_task(plan.tasks[0], stage, stage.params, store, store).outcome.status == "done"
    assert store.n_reads == count_reads(stage, msgspec.to_builtins(stage.params), 1) == reads
    assert count_reads(stage, {"layer": "of another version"}, 1) == reads


def test_what_no_function_ever_saw_is_not_billed() -> None:
    lost = Outcome("", "failed", error="gone", error_kind="ChunkDamagedError")
    throttled = Outcome("", "failed", error="no", error_kind="Throttled", attempts=60)
    for executor in ("lambda", "step-functions"):
        assert count_outcome(lost, executor, 1769, 1) == count_outcome(throttled, executor, 1769, 1) == Usage()
    # A function that left no word did run.
    silent = Outcome("", "failed", error="no word", error_kind="NoOutput", attempts=0)
    assert count_outcome(silent, "step-functions", 1769, 1) == Usage(0, 1, 1, 0, 1)


def test_a_state_machine_makes_a_transition_for_each_attempt_and_one_for_its_map() -> None:
    taken_over = Outcome("", "done", OUTPUT, attempts=0, wall_s=1.0)
    cost = actual_cost(make_manifest(*[taken_over] * 10, executor="step-functions"))
    assert cost.usage.transitions == 11
    assert cost.usage.lambda_requests == 10
    assert cost.usage.s3_gets == 10 + 10 + 1  # by the functions, by the coordinator, and the map's items
    assert cost.unknown == ("the seconds of its functions, which a state machine does not say",)


def test_the_reduce_of_a_large_run_is_counted_and_its_seconds_are_said_to_be_missing() -> None:
    done = Outcome("", "done", OUTPUT, billed_ms=1000)
    large = make_manifest(*[done] * 5000)
    assert actual_cost(large).unknown == ("the seconds of its reduce",)
    assert actual_cost(large).usage.lambda_requests == 5000 + 79


def test_the_rounds_of_a_fit_are_paid_for_too() -> None:
    done = Outcome("", "done", OUTPUT, billed_ms=1000)
    without = replace(make_manifest(done), fit=OUTPUT[0])
    notes: Row = {"fit_attempts": 30, "fit_billed_ms": 6000}
    more, less = (actual_cost(manifest).usage for manifest in (replace(without, notes=notes), without))
    assert less.s3_gets == 2  # the input, and the artifact
    assert more == less + Usage(6 * GB, 30, 60)
    hostile: Row = {"fit_attempts": "many", "fit_billed_ms": None}
    assert actual_cost(replace(without, notes=hostile)).usage == less


def test_what_runs_on_one_s_own_machine_or_is_no_stage_costs_nothing() -> None:
    done = Outcome("", "done", OUTPUT, wall_s=100.0)
    assert actual_cost(make_manifest(done, executor="local")).usd == 0
    assert actual_cost(replace(make_manifest(done), stage="extract")).usd == 0


@given(st.lists(st.tuples(st.integers(0, 900_000), st.integers(1, 9), st.booleans()), max_size=20), st.integers(0, 20))
def test_the_chunks_of_a_run_add_up_and_each_more_costs_more(tries: list[tuple[int, int, bool]], cut: int) -> None:
    outcomes = [
        Outcome("", "done", OUTPUT, billed_ms=ms, attempts=n)
        if well
        else Outcome("", "failed", billed_ms=ms, attempts=n, started_s=1.0, error="no", error_kind="KeyError")
        for ms, n, well in tries
    ]
    whole, first, second = (
        actual_cost(make_manifest(*some, n_chunks=0)).usage for some in (outcomes, outcomes[:cut], outcomes[cut:])
    )
    assert whole.gb_s == pytest.approx(first.gb_s + second.gb_s)
    assert whole.s3_gets == first.s3_gets + second.s3_gets
    assert whole.lambda_requests == first.lambda_requests + second.lambda_requests
    prices = [actual_cost(make_manifest(*outcomes[:n])).usd for n in range(len(outcomes) + 1)]
    assert prices == sorted(prices)


def test_a_cost_says_all_kinds_and_whose_prices_they_are() -> None:
    told = describe_cost(actual_cost(make_manifest(Outcome("", "done", OUTPUT, billed_ms=2000))))
    assert set(told) == {"usd", "usd_by_kind", "usage", "prices_of", "not_included"}
    assert told["prices_of"] == LIST_PRICES.of == "us-east-1, 2026-11, functions on arm64"
