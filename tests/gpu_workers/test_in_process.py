"""Tasks in this process: each run, in order, whatever becomes of the one before."""

from pathlib import Path

import pyarrow as pa

from gpu_workers.in_process import InProcessExecutor
from lambdas.stages.steps import STAGE, StepsParams
from mycelium.datasets import PROBLEMS
from mycelium.plan import plan_run
from mycelium.store import LocalStore, open_store
from tests.builders import build_run, make_problems


def test_every_task_yields_its_result_in_order(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    tables: list[pa.Table] = [make_problems(2, text="$1 + 1 = 2$") for _ in range(3)]
    built = build_run(store, tables, PROBLEMS)
    plan = plan_run(store, store, STAGE, StepsParams(), [built.manifest])
    (Path(store.uri) / built.keys["00001"]).write_bytes(b"damaged")
    results = list(InProcessExecutor(STAGE, open_store).run(plan.tasks, store.uri, store.uri))
    assert [result.outcome.chunk_id for result in results] == ["00000", "00001", "00002"]
    assert [result.outcome.status for result in results] == ["done", "failed", "done"]
