"""Estimates: from what was measured, and from nothing else."""

from dataclasses import replace

import pytest

from coordinator.pipeline.estimate import LAMBDA_USD_PER_GB_S, LAMBDA_USD_PER_REQUEST, lambda_usd, measure_pace
from lambdas.stages.steps import STAGE
from mycelium.manifest import Outcome, write_manifest
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf


def test_a_stage_that_never_ran_has_no_pace() -> None:
    assert measure_pace(MemoryStore(), STAGE) is None


def test_only_chunks_that_were_computed_tell_the_pace() -> None:
    store = MemoryStore()
    manifest = build_run(store, [make_iaf()]).manifest
    outcomes = (
        Outcome("00000", "done", n_problems=10, wall_s=2.0),
        Outcome("00001", "done", n_problems=30, wall_s=2.0),
        Outcome("00002", "found", n_problems=1000),
        Outcome("00003", "failed", wall_s=100.0, error="no", error_kind="KeyError"),
    )
    write_manifest(store, replace(manifest, outcomes=outcomes), STAGE.writes)
    pace = measure_pace(store, STAGE)
    assert pace is not None
    assert pace.task_s == pytest.approx(0.1)
    assert pace.n_problems == 40


def test_dollars_are_memory_times_seconds_and_requests() -> None:
    stage = replace(STAGE, memory_mb=2048)
    assert lambda_usd(stage, 100.0, 5) == pytest.approx(200 * LAMBDA_USD_PER_GB_S + 5 * LAMBDA_USD_PER_REQUEST)
