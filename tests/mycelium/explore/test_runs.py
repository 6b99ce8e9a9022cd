"""What a store is said to hold."""

from datetime import UTC, datetime

from mycelium.datasets import IAF, PROBLEMS
from mycelium.explore.runs import list_datasets, list_runs
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf, make_problems


def test_an_empty_store_has_none() -> None:
    assert list_datasets(MemoryStore()).rows() == []
    assert list_runs(MemoryStore()).rows() == []
    assert repr(list_datasets(MemoryStore())) == "dataset  runs"


def test_datasets_by_name_and_runs_by_time() -> None:
    store = MemoryStore()
    late = build_run(store, [make_iaf(), make_iaf(seed=1)], run_id="gsm8k-bbbbbbbbbbbb", finished_s=86_400.5)
    build_run(store, [make_iaf()], finished_s=2.0, complete=False)
    build_run(store, [make_problems()], PROBLEMS)
    assert list_datasets(store).rows() == [{"dataset": "iaf", "runs": 2}, {"dataset": "problems", "runs": 1}]
    runs = list_runs(store).rows()
    assert [(row["dataset"], row["run"], row["complete"]) for row in runs] == [
        ("problems", "gsm8k-aaaaaaaaaaaa", True),
        ("iaf", "gsm8k-aaaaaaaaaaaa", False),
        ("iaf", "gsm8k-bbbbbbbbbbbb", True),
    ]
    assert list_runs(store, IAF.name).rows() == runs[1:]
    assert runs[2] == {
        "dataset": "iaf",
        "run": "gsm8k-bbbbbbbbbbbb",
        "stage": "extract",
        "complete": True,
        "chunks": 2,
        "problems": 6,
        "bytes": sum(ref.size for ref in late.manifest.chunks("iaf").values()),
        "finished": datetime(1970, 1, 2, tzinfo=UTC),
    }
