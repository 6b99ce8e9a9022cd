"""Runs: identity, what is missing, what is left behind."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence

import pytest

import mycelium.manifest
import mycelium.packed
import mycelium.run
from lambdas.stages.heartbeat import HEARTBEATS, STAGE, HeartbeatParams
from mycelium.datasets import IAF
from mycelium.errors import UnknownRunError, WrongDatasetError
from mycelium.failures import FailurePolicy
from mycelium.manifest import Manifest, find_run, latest_run, list_volumes, read_manifest, strip_times, write_manifest
from mycelium.plan import Plan, plan_run
from mycelium.run import Until, run_plan
from mycelium.schema import Provenance
from mycelium.store import MemoryStore
from mycelium.task import Task, TaskResult, run_task
from tests.builders import GSM8K, BuiltRun, build_run, make_iaf

N_CHUNKS = 5


class Inline:
    """Runs tasks in this process, and can be told to stop short."""

    name = "inline"

    def __init__(self, store: MemoryStore, stop_after: int | None = None) -> None:
        self.store = store
        self.stop_after = stop_after
        self.computed: list[str] = []

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        for task in tasks:
            if self.stop_after is not None and len(self.computed) == self.stop_after:
                raise KeyboardInterrupt
            if not task.found:
                self.computed.append(task.chunk_id)
            yield run_task(task, STAGE, HeartbeatParams(), self.store, self.store)


def make(n: int = N_CHUNKS) -> tuple[MemoryStore, BuiltRun]:
    store = MemoryStore()
    return store, build_run(store, [make_iaf(seed=i) for i in range(n)])


def plan(store: MemoryStore, source: Manifest, params: HeartbeatParams | None = None) -> Plan:
    return plan_run(store, store, STAGE, params or HeartbeatParams(), [source])


def test_a_run_computes_every_chunk_and_says_so() -> None:
    store, built = make()
    manifest = run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    assert manifest.complete
    assert [outcome.chunk_id for outcome in manifest.outcomes] == [f"{i:05d}" for i in range(N_CHUNKS)]
    assert manifest.inputs == ("iaf/gsm8k-aaaaaaaaaaaa",)
    assert manifest.provenance == GSM8K
    assert sum(int(row["problems"] or 0) for row in manifest.result["levels"]) == 3 * N_CHUNKS
    assert read_manifest(store, "heartbeats", manifest.run_id) == manifest


def test_a_complete_run_is_not_done_again() -> None:
    store, built = make()
    first = run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    executor = Inline(store)
    assert run_plan(store, plan(store, built.manifest), executor, quiet=True) == first
    assert executor.computed == []


def test_a_run_told_to_stop_ends_after_the_chunk_in_hand() -> None:
    store, built = make()
    stop, executor = threading.Event(), Inline(store)
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        run_plan(store, plan(store, built.manifest), executor, quiet=True, until=Until(stop=stop))
    assert executor.computed == ["00000"]
    left = read_manifest(store, "heartbeats", plan(store, built.manifest).run_id)
    assert [outcome.chunk_id for outcome in left.outcomes] == ["00000"]
    assert not left.complete


def test_a_run_whose_first_chunks_all_fail_alike_gives_up_and_says_why() -> None:
    store, built = make()
    for key in built.keys.values():
        store.put(key, b"x" * len(store.get(key)), mode="overwrite")
    executor = Inline(store)
    until = Until(FailurePolicy(breaker=3))
    manifest = run_plan(store, plan(store, built.manifest), executor, quiet=True, until=until)
    assert executor.computed == ["00000", "00001", "00002"]
    assert manifest.notes == {"stopped": "the first 3 chunks all failed by ChunkDamagedError"}
    assert not manifest.complete
    assert read_manifest(store, "heartbeats", manifest.run_id) == manifest


def test_an_interrupted_run_is_carried_on_where_it_stopped() -> None:
    store, built = make()
    with pytest.raises(KeyboardInterrupt):
        run_plan(store, plan(store, built.manifest), Inline(store, stop_after=2), quiet=True)
    left = read_manifest(store, "heartbeats", plan(store, built.manifest).run_id)
    assert not left.complete
    again = plan(store, built.manifest)
    assert again.n_found == 2
    executor = Inline(store)
    manifest = run_plan(store, again, executor, quiet=True)
    assert executor.computed == ["00002", "00003", "00004"]
    assert manifest.complete
    undisturbed, other = make()
    clean = run_plan(undisturbed, plan(undisturbed, other.manifest), Inline(undisturbed), quiet=True)
    assert manifest.result == clean.result
    assert [o.outputs for o in manifest.outcomes] == [o.outputs for o in clean.outcomes]


def test_after_kill_9_there_is_no_manifest_and_the_chunks_are_found() -> None:
    store, built = make()
    run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    store.delete(f"manifests/heartbeats/{plan(store, built.manifest).run_id}.json")
    executor = Inline(store)
    manifest = run_plan(store, plan(store, built.manifest), executor, quiet=True)
    assert executor.computed == []
    assert manifest.complete
    assert {outcome.status for outcome in manifest.outcomes} == {"found"}


def test_a_run_of_many_chunks_is_what_a_small_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    store, built = make()
    wanted = run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    for module in (mycelium.manifest, mycelium.run):
        monkeypatch.setattr(module, "IN_ONE", 2)
    monkeypatch.setattr(mycelium.packed, "BLOCK", 2)
    other, same = make()
    small = plan(other, same.manifest)
    write_manifest(other, same.manifest, (IAF,))
    in_volumes = read_manifest(other, "iaf", same.manifest.run_id)
    assert in_volumes.cuts == ("00001", "00003")
    large = plan(other, in_volumes)
    assert (large.run_id, large.tasks, large.n_chunks) == (small.run_id, small.tasks, N_CHUNKS)
    manifest = run_plan(other, large, Inline(other), quiet=True)
    assert manifest.complete
    assert (manifest.run_id, manifest.result) == (wanted.run_id, wanted.result)
    assert [strip_times(o) for o in manifest.outcomes] == [strip_times(o) for o in wanted.outcomes]
    assert len(list(list_volumes(other))) == 6
    again = Inline(other)
    assert run_plan(other, plan(other, in_volumes), again, quiet=True).outcomes == manifest.outcomes
    assert again.computed == []


def test_a_large_run_that_loses_chunks_names_them_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mycelium.manifest, mycelium.run):
        monkeypatch.setattr(module, "IN_ONE", 2)
    monkeypatch.setattr(mycelium.packed, "BLOCK", 2)
    store, built = make()
    store.delete(built.keys["00001"])
    store.put(built.keys["00003"], b"", mode="overwrite")
    planned = plan(store, read_manifest(store, "iaf", built.manifest.run_id))
    assert [task.chunk_id for task in planned.tasks] == ["00000", "00002", "00004"]
    manifest = run_plan(store, planned, Inline(store), quiet=True)
    assert [(o.chunk_id, o.status) for o in manifest.outcomes] == [
        ("00000", "done"),
        ("00001", "failed"),
        ("00002", "done"),
        ("00003", "failed"),
        ("00004", "done"),
    ]
    assert (manifest.complete, manifest.n_failed) == (False, 2)
    # What is found needs no input.
    store.delete(built.keys["00000"])
    again = plan(store, read_manifest(store, "iaf", built.manifest.run_id))
    assert [(task.chunk_id, task.found) for task in again.tasks] == [(c, True) for c in ("00000", "00002", "00004")]
    assert [outcome.chunk_id for outcome in again.lost] == ["00001", "00003"]


def test_two_coordinators_at_once_do_no_harm() -> None:
    store, built = make()
    manifests: list[Manifest] = []
    threads = [
        threading.Thread(
            target=lambda: manifests.append(run_plan(store, plan(store, built.manifest), Inline(store), quiet=True))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(manifests) == 4
    assert all(manifest.complete for manifest in manifests)
    assert len({str(manifest.result) for manifest in manifests}) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda stage, params: (stage, dataclasses.replace(params, threshold=0.4)),
        lambda stage, params: (dataclasses.replace(stage, version=2), params),
    ],
)
def test_other_code_or_params_start_afresh(change: object) -> None:
    store, built = make()
    stage, params = change(STAGE, HeartbeatParams())  # type: ignore[operator]
    other = plan_run(store, store, stage, params, [built.manifest])
    assert other.run_id != plan(store, built.manifest).run_id


def test_other_input_bytes_start_afresh_and_the_same_bytes_do_not() -> None:
    store, built = make()
    again = MemoryStore()
    same = build_run(again, [make_iaf(seed=i) for i in range(N_CHUNKS)])
    assert plan(again, same.manifest).run_id == plan(store, built.manifest).run_id
    other = build_run(again, [make_iaf(seed=i + 1) for i in range(N_CHUNKS)])
    assert plan(again, other.manifest).run_id != plan(store, built.manifest).run_id


def test_lost_and_truncated_inputs_are_named_and_the_others_go_on() -> None:
    store, built = make()
    store.delete(built.keys["00001"])
    store.put(built.keys["00003"], b"", mode="overwrite")
    manifest = run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    assert not manifest.complete
    assert {o.chunk_id: o.error for o in manifest.failed} == {
        "00001": "iaf/gsm8k-aaaaaaaaaaaa/00001.parquet is gone, though its run's manifest names it",
        "00003": "iaf/gsm8k-aaaaaaaaaaaa/00003.parquet is empty: truncated, or written anew since its run",
    }
    assert len(manifest.chunks("heartbeats")) == N_CHUNKS - 2


def test_a_chunk_of_another_origin_in_a_run_fails_by_name() -> None:
    store = MemoryStore()
    built = build_run(
        store,
        [make_iaf(seed=i) for i in range(3)],
        chunk_provenance=lambda i: GSM8K if i else Provenance("gsm8k", "MATH", GSM8K.teacher),
    )
    manifest = run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    assert [o.chunk_id for o in manifest.failed] == ["00000"]
    assert "origin 'GSM8K', and the chunk is of origin 'MATH'" in (manifest.failed[0].error or "")


def test_a_run_without_the_dataset_is_refused_by_name() -> None:
    store, built = make()
    manifest = run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    with pytest.raises(WrongDatasetError, match="stage heartbeat reads dataset iaf, and run .* of heartbeat"):
        plan(store, manifest)


def test_the_latest_complete_run_is_the_default() -> None:
    store = MemoryStore()
    with pytest.raises(UnknownRunError, match="no complete run of dataset iaf"):
        latest_run(store, IAF)
    build_run(store, [make_iaf()], run_id="a-000000000001", finished_s=1)
    build_run(store, [make_iaf()], run_id="b-000000000002", finished_s=3)
    build_run(store, [make_iaf()], run_id="c-000000000003", finished_s=5, complete=False)
    assert latest_run(store, IAF).run_id == "b-000000000002"
    with pytest.raises(UnknownRunError):
        latest_run(store, HEARTBEATS)


def test_a_run_is_found_by_id_dataset_beginning_and_name() -> None:
    store = MemoryStore()
    build_run(store, [make_iaf()], run_id="a-000000000001", finished_s=2)
    build_run(store, [make_iaf()], run_id="a-0000ffffffff", finished_s=1)
    build_run(store, [make_iaf()], run_id="b-000000000002", finished_s=3, complete=False)
    for reference in ("a-000000000001", "iaf/a-000000000001", "a-00000000000", "a", "iaf/a"):
        assert find_run(store, reference).run_id == "a-000000000001"
    assert find_run(store, "b").run_id == "b-000000000002"
    for reference in ("nothing", "tokens/a-000000000001", ""):
        with pytest.raises(UnknownRunError):
            find_run(store, reference)
    with pytest.raises(UnknownRunError, match="may be any of"):
        find_run(store, "a-0000")


def test_strip_times_leaves_what_decides() -> None:
    store, built = make(1)
    manifest = run_plan(store, plan(store, built.manifest), Inline(store), quiet=True)
    assert strip_times(manifest.outcomes[0]).outputs == manifest.outcomes[0].outputs
