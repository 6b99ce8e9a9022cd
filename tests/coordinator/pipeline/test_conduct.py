"""Conducting: side by side where it may be, in order where it must, and nothing lost by an interruption."""

import threading
from collections.abc import Mapping

import pytest

from coordinator.pipeline.conduct import conduct
from coordinator.pipeline.way import Step
from mycelium.errors import UserInputError
from mycelium.manifest import Manifest, Outcome
from mycelium.schema import Provenance
from tests.coordinator.pipeline.test_way import stage

WAIT_S = 60


def step(name: str, *after: str) -> Step:
    made = stage(name, [f"{source}s" for source in after] or ["given"], [f"{name}s"])
    return Step(made, made.reads, after or (None,))


def manifest(name: str, *, complete: bool = True) -> Manifest:
    outcome = Outcome("00000", "done") if complete else Outcome("00000", "failed", error="no", error_kind="KeyError")
    return Manifest(
        run_id=f"{name}-0123456789ab",
        provenance=Provenance("made", "made"),
        stage=name,
        stage_version=1,
        params={},
        commit="0",
        executor="local",
        inputs=(),
        finished_s=0.0,
        wall_s=0.0,
        complete=complete,
        n_chunks=1,
        outcomes=(outcome,),
    )


DIAMOND = (step("root"), step("left", "root"), step("right", "root"), step("end", "left", "right"))


def test_each_stage_gets_the_manifests_before_it() -> None:
    seen: dict[str, set[str]] = {}

    def run(one: Step, before: Mapping[str, Manifest], _stop: threading.Event) -> Manifest:
        seen[one.stage.name] = set(before)
        return manifest(one.stage.name)

    done = conduct(DIAMOND, run)
    assert set(done.manifests) == {"root", "left", "right", "end"}
    assert done.stops == ()
    assert seen["end"] == {"root", "left", "right"}


def test_branches_run_side_by_side() -> None:
    both = threading.Barrier(2)

    def run(one: Step, _before: Mapping[str, Manifest], _stop: threading.Event) -> Manifest:
        if one.stage.name in {"left", "right"}:
            both.wait(WAIT_S)  # passes only if the other branch runs at the same time
        return manifest(one.stage.name)

    assert len(conduct(DIAMOND, run).manifests) == 4


def test_a_stage_with_failed_chunks_holds_up_only_what_reads_it() -> None:
    way = (*DIAMOND, step("last", "end"))

    def run(one: Step, _before: Mapping[str, Manifest], _stop: threading.Event) -> Manifest:
        return manifest(one.stage.name, complete=one.stage.name != "left")

    done = conduct(way, run)
    assert set(done.manifests) == {"root", "left", "right"}
    assert [(stop.stage, stop.reason) for stop in done.stops] == [
        ("end", "left has 1 failed chunks"),
        ("last", "end did not run"),
    ]


def test_an_error_ends_the_way_and_stops_what_is_under_way() -> None:
    stopped: list[str] = []
    right_runs = threading.Event()

    def run(one: Step, _before: Mapping[str, Manifest], stop: threading.Event) -> Manifest:
        if one.stage.name == "left":
            assert right_runs.wait(WAIT_S)
            raise UserInputError("the store is away")
        if one.stage.name == "right":
            right_runs.set()
            assert stop.wait(WAIT_S)
            stopped.append("right")
        return manifest(one.stage.name)

    with pytest.raises(UserInputError, match="the store is away"):
        conduct(DIAMOND, run)
    assert stopped == ["right"]


def test_no_more_run_together_than_may() -> None:
    together, most = 0, 0
    lock = threading.Lock()
    way = tuple(step(f"s{i}") for i in range(6))

    def run(one: Step, _before: Mapping[str, Manifest], _stop: threading.Event) -> Manifest:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        made = manifest(one.stage.name)
        with lock:
            together -= 1
        return made

    assert len(conduct(way, run, max_together=2).manifests) == 6
    assert most <= 2
