"""Evidence: from what was measured, the latest first, and from nothing else."""

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from coordinator.cost.actual import actual_cost
from coordinator.cost.evidence import MAX_RUNS, MAX_SAMPLES, probe, read_history
from coordinator.executors.local import LocalExecutor
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.errors import UserInputError
from mycelium.manifest import Manifest, Outcome, write_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore, MemoryStore
from tests.builders import build_run, make_iaf

DONE = Outcome("00000", "done", n_problems=10, bytes_read=1000, wall_s=2.0)


def keep(store: LocalStore | MemoryStore, name: str, *outcomes: Outcome, **changes: object) -> Manifest:
    """Write the manifest of a run of the stage."""
    manifest = build_run(MemoryStore(), [make_iaf()]).manifest
    params = msgspec.to_builtins(HeartbeatParams())
    facts = {"stage": STAGE.name, "stage_version": STAGE.version, "executor": "local", "params": params} | changes
    facts = {"inputs": ("iaf/gone-000000000000",)} | facts
    made = replace(manifest, run_id=f"{name}-000000000000", outcomes=outcomes, **facts)
    write_manifest(store, made, STAGE.writes)
    return made


def test_a_stage_that_never_ran_tells_nothing() -> None:
    history = read_history(MemoryStore(), STAGE, HeartbeatParams(), MemoryStore())
    assert history.find_evidence(on_lambda=False) is None
    assert history.find_evidence(on_lambda=True) is None


def test_only_chunks_that_were_computed_count() -> None:
    store = MemoryStore()
    found = Outcome("00002", "found", n_problems=1000, bytes_read=10, wall_s=1.0)
    failed = Outcome("00003", "failed", wall_s=100.0, bytes_read=10, error="no", error_kind="KeyError")
    keep(store, "a", DONE, replace(DONE, chunk_id="00001", wall_s=4.0), found, failed)
    history = read_history(store, STAGE, HeartbeatParams(), store)
    by_bytes, by_problems = (history.find_evidence(on_lambda=False, unit=unit) for unit in ("bytes", "problems"))
    assert by_bytes is not None
    assert by_problems is not None
    assert [(sample.seconds, sample.size) for sample in by_bytes.samples] == [(2.0, 1000), (4.0, 1000)]
    assert [sample.size for sample in by_problems.samples] == [10, 10]
    assert by_bytes.source == "2 chunks of 1 earlier run on this machine"


def test_a_chunk_is_as_large_as_its_inputs_even_where_a_part_of_them_was_read() -> None:
    store = MemoryStore()
    inputs = build_run(store, [make_iaf(lengths=(100 * (i + 1),), seed=i) for i in range(2)]).manifest
    sizes = [ref.size for ref in inputs.chunks("iaf").values()]
    part = replace(DONE, bytes_read=7)
    keep(store, "a", part, replace(part, chunk_id="00001"), inputs=(f"iaf/{inputs.run_id}",))
    evidence = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=False)
    assert evidence is not None
    assert [sample.size for sample in evidence.samples] == sizes


def test_on_lambda_what_was_billed_counts_and_a_state_machine_s_run_tells_nothing() -> None:
    store = MemoryStore()
    keep(store, "a", replace(DONE, billed_ms=2500), executor="lambda")
    keep(store, "b", replace(DONE, billed_ms=9999), executor="step-functions")
    evidence = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=True)
    assert evidence is not None
    assert [sample.seconds for sample in evidence.samples] == [2.5]
    assert evidence.is_lambda


def test_where_nothing_ran_there_what_ran_elsewhere_counts_and_says_so() -> None:
    store = MemoryStore()
    keep(store, "a", DONE)
    evidence = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=True)
    assert evidence is not None
    assert (evidence.is_lambda, evidence.source) == (False, "1 chunk of 1 earlier run on this machine")


def test_runs_alike_count_alone_and_others_are_said_to_be_other() -> None:
    store = MemoryStore()
    keep(store, "a", replace(DONE, wall_s=9.0), params={"layer": 3, "head": 4})
    other = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=False)
    assert other is not None
    assert other.source.endswith("with other parameters or code")
    keep(store, "b", DONE)
    alike = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=False)
    assert alike is not None
    assert [sample.seconds for sample in alike.samples] == [2.0]


def test_the_latest_runs_are_looked_at_whatever_their_names(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for i in range(MAX_RUNS + 2):
        name = f"{chr(ord('z') - i)}"  # the later, the earlier in the alphabet
        keep(store, name, replace(DONE, wall_s=1.0 + i))
        os.utime(tmp_path / f"manifests/heartbeats/{name}-000000000000.json", (1000 + i, 1000 + i))
    evidence = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=False)
    assert evidence is not None
    assert [sample.seconds for sample in evidence.samples] == [float(10 - i) for i in range(MAX_RUNS)]


def test_of_very_many_chunks_some_are_kept_spread_over_all() -> None:
    store = MemoryStore()
    keep(store, "a", *(replace(DONE, chunk_id=f"{i:05d}", wall_s=1.0 + i) for i in range(MAX_SAMPLES * 2 + 1)))
    evidence = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=False)
    assert evidence is not None
    assert MAX_SAMPLES / 2 < len(evidence.samples) <= MAX_SAMPLES
    assert evidence.samples[-1].seconds > 1.9 * MAX_SAMPLES


def test_what_a_probe_does_is_done(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    manifest = build_run(store, [make_iaf(lengths=(20 * (i + 1),), seed=i) for i in range(9)]).manifest
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [manifest])
    said: list[str] = []
    left, evidence = probe(plan, store, 3, said.append)
    assert left.n_found == 3
    assert [task.chunk_id for task in left.tasks if task.found] == ["00001", "00004", "00007"]  # small, middling, large
    assert len(evidence.samples) == 3
    assert all(sample.seconds > 0 and sample.size > 0 for sample in evidence.samples)
    assert evidence.source == "a probe of 3 chunks on this machine, which are done now"
    # They count: another plan finds them, and the run reads them as they are.
    assert plan_run(store, store, STAGE, HeartbeatParams(), [manifest]).n_found == 3
    done = run_plan(store, left, LocalExecutor(max_workers=1), quiet=True)
    assert done.complete
    assert [o.chunk_id for o in done.outcomes if o.status == "found"] == ["00001", "00004", "00007"]
    assert said == []


def test_a_probe_of_more_chunks_than_there_are_does_all_of_them(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [build_run(store, [make_iaf()] * 2).manifest])
    assert probe(plan, store, 100, print)[0].n_found == 2


def test_a_chunk_that_fails_in_a_probe_is_named_and_if_all_do_the_probe_does(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    built = build_run(store, [make_iaf(seed=i) for i in range(2)])
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [built.manifest])
    whole = store.get(built.keys["00000"])
    store.put(built.keys["00000"], b"x" * len(whole), mode="overwrite")
    said: list[str] = []
    left, evidence = probe(plan, store, 2, said.append)
    assert (left.n_found, len(evidence.samples)) == (1, 1)
    assert said[0].startswith("probe: chunk 00000 failed: ")
    plan = replace(plan, tasks=plan.tasks[:1])
    with pytest.raises(UserInputError, match="none of 1 chunks could be done"):
        probe(plan, store, 1, said.append)


def test_a_stage_with_a_fit_can_t_be_probed(tmp_path: Path) -> None:
    from lambdas.stages.templates import STAGE as TEMPLATES  # noqa: PLC0415 - it is heavy, and used here alone

    store = LocalStore(tmp_path)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [build_run(store, [make_iaf()]).manifest])
    with pytest.raises(UserInputError, match="asks every chunk"):
        probe(replace(plan, stage=TEMPLATES), store, 1, print)


def test_the_processor_is_that_of_the_latest_run_that_says_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert read_history(store, STAGE, HeartbeatParams(), store).architecture is None
    for i, notes in enumerate(({"architecture": "arm64"}, {"architecture": "x86_64"}, {})):
        keep(store, f"r{i}", replace(DONE, billed_ms=1000), executor="lambda", notes=notes)
        os.utime(tmp_path / f"manifests/heartbeats/r{i}-000000000000.json", (1000 + i, 1000 + i))
    history = read_history(store, STAGE, HeartbeatParams(), store)
    assert history.architecture == "x86_64"
    cheap, dear, unsaid = (actual_cost(manifest).by_kind["gb_s"] for manifest in reversed(history.manifests))
    assert dear / cheap == pytest.approx(1.25, abs=0.001)
    assert unsaid == cheap


def test_tasks_that_began_before_any_was_done_had_to_load_their_stage() -> None:
    store = MemoryStore()
    times = [(0.0, 3.0), (0.5, 4.0), (3.1, 1.0), (4.5, 1.0)]
    outcomes = [
        replace(DONE, chunk_id=f"{i:05d}", started_s=1000 + at_s, wall_s=took_s, billed_ms=10)
        for i, (at_s, took_s) in enumerate(times)
    ]
    keep(store, "a", *outcomes)
    evidence = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=False)
    assert evidence is not None
    assert [(sample.seconds, sample.cold) for sample in evidence.samples] == [
        (3.0, True),
        (4.0, True),
        (1.0, False),
        (1.0, False),
    ]
    keep(store, "b", *outcomes[:2])  # where all were first, they are all there is
    latest = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=False)
    assert latest is not None
    assert not any(sample.cold for sample in latest.samples if sample.run.startswith("b-"))
    keep(store, "c", *outcomes, executor="lambda")
    there = read_history(store, STAGE, HeartbeatParams(), store).find_evidence(on_lambda=True)
    assert there is not None
    assert not any(sample.cold for sample in there.samples)
