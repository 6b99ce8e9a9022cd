"""Our own executor as `benchmarks.dispatch` measures it, in a fresh process: see `benchmarks.dispatch_peers`.

A no-op is a whole run: its task goes through the one hinge of every task, over a stage that reads nothing, maps nothing
and gives a part of one row; its outcome is kept, its part reduced, progress counted, failures counted, and the manifest
written and synced. Planning is not in it: no peer plans.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

import lambdas.stages
from lambdas.stages.heartbeat import STAGE as HEARTBEAT
from lambdas.stages.heartbeat import HeartbeatParams
from mycelium.manifest import Manifest, ObjectRef, read_manifest
from mycelium.plan import Plan, plan_run
from mycelium.schema import Column, Dataset, Provenance
from mycelium.store import LocalStore
from mycelium.task import Task

lambdas.stages.__path__.append(str(Path(__file__).parent / "dispatch_stage"))
OF = Provenance("bench", "generated", "none")
NOTHING = Dataset("nothing", 1, "nothing", (Column("n", pa.int64(), "one"),))
RUN = "bench-000000000000"


@dataclass(frozen=True, slots=True)
class Ours:
    """Our executor, left to itself or told how many workers."""

    max_workers: int | None
    store: str

    def do_nothing(self, n: int) -> Manifest:
        """Run so many no-ops, all bookkeeping included."""
        from coordinator.executors.local import LocalExecutor  # noqa: PLC0415 - the start pays for it
        from mycelium.run import run_plan  # noqa: PLC0415

        stage = lambdas.stages.find_stage("no_op")
        refs = (ObjectRef("iaf", f"iaf/{RUN}/00000.parquet", 4_000_000, "0" * 64),)
        tasks = tuple(Task(f"{i:05d}", RUN, "no_op", {}, refs, OF, OF) for i in range(n))
        with tempfile.TemporaryDirectory(dir=Path(self.store).parent) as folder:
            # The stage that the tasks know writes nothing; the run's manifest has to be called something.
            named = replace(stage, writes=(NOTHING,))
            plan = Plan(RUN, named, stage.params, folder, (f"iaf/{RUN}",), OF, tasks, (), n)
            manifest = run_plan(LocalStore(folder), plan, LocalExecutor(self.max_workers), quiet=True)
            assert (Path(folder) / f"manifests/nothing/{RUN}.json").exists()
        assert manifest.complete
        assert manifest.result == {"total": [{"n": n}]}
        return manifest

    def count_beats(self) -> tuple[float, float]:
        """Run the heartbeat stage over all chunks; return the seconds of the run, and those of its tasks."""
        from coordinator.executors.local import LocalExecutor  # noqa: PLC0415
        from mycelium.run import run_plan  # noqa: PLC0415

        source = LocalStore(self.store)
        with tempfile.TemporaryDirectory(dir=Path(self.store).parent) as folder:
            inputs = [read_manifest(source, "iaf", RUN)]
            begun = time.perf_counter()
            target = LocalStore(folder)
            plan = plan_run(source, target, HEARTBEAT, HeartbeatParams(), inputs)
            manifest = run_plan(target, plan, LocalExecutor(self.max_workers), quiet=True)
            taken_s = time.perf_counter() - begun
        assert {outcome.status for outcome in manifest.outcomes} == {"done"}
        return taken_s, sum(outcome.wall_s for outcome in manifest.outcomes)


def measure(ours: Ours, sizes: Sequence[int]) -> dict[str, Any]:
    """Measure the start, the no-ops, and the chunks twice."""
    begun = time.perf_counter()
    from coordinator.executors.local import LocalExecutor  # noqa: PLC0415
    from coordinator.executors.without_pandas import leave_pandas_out  # noqa: PLC0415

    leave_pandas_out()  # as the command does
    refs = (ObjectRef("iaf", f"iaf/{RUN}/00000.parquet", 4_000_000, "0" * 64),)
    tasks = [Task(f"{i:05d}", RUN, "no_op", {}, refs, OF, OF) for i in range(1000)]
    with tempfile.TemporaryDirectory(dir=Path(ours.store).parent) as folder:
        results = LocalExecutor(ours.max_workers).run(tasks, folder, folder)
        next(results)
        start_s = time.perf_counter() - begun
        assert sum(1 for _ in results) == len(tasks) - 1
    seconds: dict[str, float] = {}
    for size in sizes:
        begun = time.perf_counter()
        ours.do_nothing(size)
        seconds[str(size)] = time.perf_counter() - begun
    real = [ours.count_beats() for _ in range(2 if (Path(ours.store) / "iaf").exists() else 0)]
    task_s = [seconds for _, seconds in real]
    return {"start_s": start_s, "no_op_s": seconds, "real_s": [wall for wall, _ in real], "task_s": task_s}


def main() -> None:
    """Measure, and print what was found."""
    workers, store, *sizes = sys.argv[1:]
    answer = measure(Ours(int(workers) or None, store), [int(size) for size in sizes])
    print("\n" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
