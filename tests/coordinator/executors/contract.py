"""What every executor is held to, wherever its tasks run.

A test file subclasses `ExecutorContract` and brings a fixture `bench` that says how its executor is made, and in which
store it works.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from coordinator.executors.local import LocalExecutor
from lambdas.stages import find_stage
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.errors import StoreNotAvailableError
from mycelium.manifest import Manifest, strip_times
from mycelium.plan import Plan, plan_run
from mycelium.reduce import Reducer
from mycelium.run import Executor, run_plan
from mycelium.store import LocalStore, MemoryStore, Store
from mycelium.task import Task, TaskResult, run_task
from tests.builders import build_run, make_iaf
from tests.mycelium.templates.world import PARAMS, build_world, make_chunk

N_CHUNKS = 9


@dataclass
class Bench:
    """Where an executor is tried.

    Attributes:
        store: where its runs are; empty.
        make: makes it, and the reducer that goes with it.
        unwritable: URI of a store that can't be written.
    """

    store: Store
    make: Callable[[], tuple[Executor, Reducer | None]]
    unwritable: str

    def plan(self, n_chunks: int = N_CHUNKS) -> Plan:
        """Plan a run over chunks that are there, or are made."""
        tables = [make_iaf((30, 5, 12), seed=i) for i in range(n_chunks)]
        return plan_run(self.store, self.store, STAGE, HeartbeatParams(), [build_run(self.store, tables).manifest])

    def run(self, plan: Plan) -> Manifest:
        """Run a plan."""
        executor, reducer = self.make()
        return run_plan(self.store, plan, executor, reducer=reducer, quiet=True)

    def outputs(self, plan: Plan) -> dict[str, bytes]:
        """Return the bytes of every output of a run."""
        return {i.key: self.store.get(i.key) for i in self.store.list(f"heartbeats/{plan.run_id}/")}


class InThisThread:
    """The plainest executor, over stores in memory: what the others are compared with."""

    name = "reference"

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        for task in tasks:
            yield run_task(task, STAGE, HeartbeatParams(), self._store, self._store)


def run_reference(bench: Bench, n_chunks: int = N_CHUNKS) -> tuple[Manifest, dict[str, bytes]]:
    """Do the same run in memory, and return its manifest and outputs."""
    store = MemoryStore()
    there = Bench(store, lambda: (InThisThread(store), None), "")
    copy_chunks(bench.store, store)
    plan = there.plan(n_chunks)
    return there.run(plan), there.outputs(plan)


def copy_chunks(source: Store, target: Store) -> None:
    """Copy every chunk of iaf."""
    for info in source.list("iaf/"):
        target.put(info.key, source.get(info.key), mode="overwrite")


class ExecutorContract:
    """The contract."""

    def test_outputs_and_manifest_are_the_reference_s(self, bench: Bench) -> None:
        plan = bench.plan()
        manifest = bench.run(plan)
        expected, outputs = run_reference(bench)
        assert bench.outputs(plan) == outputs
        assert [strip_times(o) for o in manifest.outcomes] == [strip_times(o) for o in expected.outcomes]
        assert manifest.complete
        same = {"executor": "", "finished_s": 0.0, "wall_s": 0.0, "outcomes": ()}
        assert replace(manifest, **same) == replace(expected, **same)  # type: ignore[arg-type]

    def test_every_task_has_one_result(self, bench: Bench) -> None:
        plan = bench.plan()
        results = list(bench.make()[0].run(plan.tasks, bench.store.uri, bench.store.uri))
        assert sorted(r.outcome.chunk_id for r in results) == [t.chunk_id for t in plan.tasks]

    def test_no_tasks_are_no_results(self, bench: Bench) -> None:
        assert list(bench.make()[0].run([], bench.store.uri, bench.store.uri)) == []

    def test_a_chunk_rewritten_while_the_run_is_on_is_noticed_by_its_digest_and_named(self, bench: Bench) -> None:
        plan = bench.plan()
        key = plan.tasks[3].inputs[0].key
        data = bytearray(bench.store.get(key))
        data[len(data) // 2] ^= 1
        bench.store.put(key, bytes(data), mode="overwrite")
        manifest = bench.run(plan)
        (failed,) = manifest.failed
        assert (failed.chunk_id, failed.error_kind) == ("00003", "ChunkDamagedError")
        assert "another SHA-256" in str(failed.error)
        assert len(bench.outputs(plan)) == N_CHUNKS - 1
        assert not manifest.complete

    def test_a_chunk_deleted_while_the_run_is_on_is_named(self, bench: Bench) -> None:
        plan = bench.plan()
        bench.store.delete(plan.tasks[0].inputs[0].key)
        (failed,) = bench.run(plan).failed
        assert failed.chunk_id == "00000"
        assert f"{plan.tasks[0].inputs[0].key} is gone" in str(failed.error)

    def test_a_failed_chunk_is_done_by_the_next_run_and_the_others_are_found(self, bench: Bench) -> None:
        plan = bench.plan()
        key = plan.tasks[5].inputs[0].key
        data = bench.store.get(key)
        bench.store.delete(key)
        assert len(bench.run(plan).failed) == 1
        bench.store.put(key, data)
        again = bench.run(bench.plan())
        assert again.complete
        assert [o.chunk_id for o in again.outcomes if o.status == "done"] == ["00005"]
        expected, outputs = run_reference(bench)
        assert again.result == expected.result
        assert bench.outputs(plan) == outputs
        assert sum(o.n_input for o in again.outcomes) == sum(o.n_input for o in expected.outcomes)

    def test_two_coordinators_at_once_do_no_harm(self, bench: Bench) -> None:
        plan = bench.plan()
        manifests: list[Manifest] = []
        threads = [threading.Thread(target=lambda: manifests.append(bench.run(plan))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        expected, outputs = run_reference(bench)
        assert bench.outputs(plan) == outputs
        assert [(m.complete, m.result) for m in manifests] == [(True, expected.result)] * 2

    def test_a_fit_asks_every_chunk_and_finds_the_reference_s_artifact(self, bench: Bench, tmp_path: Path) -> None:
        chunks = [make_chunk(i) for i in range(4)]
        # Few enough rows in memory that the templates are grown on sums: a round for each pass.
        params = replace(PARAMS, sample=80, in_memory=0, k_max=3)
        stage = find_stage("templates")
        there = LocalStore(tmp_path / "reference")
        manifests, outputs = [], []
        for store, (executor, reducer) in ((bench.store, bench.make()), (there, make_local(1))):
            plan = plan_run(store, store, stage, params, list(build_world(store, chunks).values()))
            manifest = run_plan(store, plan, executor, reducer=reducer, quiet=True)
            assert manifest.complete
            manifests.append(manifest)
            keys = [i.key for prefix in ("assignments", "fits") for i in store.list(f"{prefix}/{plan.run_id}/")]
            outputs.append({key: store.get(key) for key in keys})
        assert outputs[0] == outputs[1]
        assert sum("question" in key for key in outputs[0]) > 5
        assert (manifests[0].result, manifests[0].fit) == (manifests[1].result, manifests[1].fit)

    def test_a_store_that_refuses_writes_ends_the_run(self, bench: Bench) -> None:
        plan = bench.plan(3)
        with pytest.raises(StoreNotAvailableError):
            list(bench.make()[0].run(plan.tasks, bench.store.uri, bench.unwritable))


def make_local(workers: int) -> tuple[Executor, Reducer | None]:
    """Make the local executor."""
    return LocalExecutor(workers), None
