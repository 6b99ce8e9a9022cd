"""What a store holds: datasets, and the runs of each."""

from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa

from mycelium import manifest as manifests
from mycelium.explore.frame import Frame
from mycelium.store import Store

_DATASETS = pa.schema([("dataset", pa.string()), ("runs", pa.int64())])
_RUNS = pa.schema(
    [
        ("dataset", pa.string()),
        ("run", pa.string()),
        ("stage", pa.string()),
        ("complete", pa.bool_()),
        ("chunks", pa.int64()),
        ("problems", pa.int64()),
        ("bytes", pa.int64()),
        ("finished", pa.timestamp("s", "UTC")),
    ]
)


def list_datasets(store: Store) -> Frame:
    """Return the datasets in a store, by name, with the number of runs of each.

    Args:
        store: as `open_store` opens it.

    Returns:
        Columns ``dataset`` and ``runs``; what a dataset's columns hold is in docs/datasets.md.
    """
    counts = Counter(dataset for dataset, _ in manifests.list_runs(store))
    return _frame([{"dataset": dataset, "runs": counts[dataset]} for dataset in sorted(counts)], _DATASETS)


def list_runs(store: Store, dataset: str | None = None) -> Frame:
    """Return the runs in a store that left a manifest, the latest last.

    Args:
        store: as `open_store` opens it.
        dataset: only the runs of this one, ``iaf``, say.

    Returns:
        One row for each dataset that a run wrote. ``dataset/run``, or as much of it as no other run has, or
        ``dataset/name`` for the latest run of that name, is what `read_signal` and `plot_trace` take. ``chunks`` are
        those of the input, ``problems`` and ``bytes`` what is there of the dataset.
    """
    found = [(name, manifests.read_manifest(store, name, run)) for name, run in manifests.list_runs(store, dataset)]
    rows = [
        {
            "dataset": name,
            "run": manifest.run_id,
            "stage": manifest.stage,
            "complete": manifest.complete,
            "chunks": manifest.n_chunks,
            "problems": sum(outcome.n_problems for outcome in manifest.outcomes),
            "bytes": sum(ref.size for ref in manifest.chunks(name).values()),
            "finished": datetime.fromtimestamp(int(manifest.finished_s), UTC),
        }
        for name, manifest in sorted(found, key=lambda pair: (pair[1].finished_s, pair[0]))
    ]
    return _frame(rows, _RUNS)


def _frame(rows: list[dict[str, object]], schema: pa.Schema) -> Frame:
    return Frame(pa.Table.from_pylist(rows, schema=schema))
