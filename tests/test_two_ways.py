"""The test of the science from end to end: attention read while it is computed, and the matrices themselves.

The GPU machine reads the signals without holding a matrix; the stage `iaf` computes them from the matrices, in NumPy.
Both go through chunks in a store, over the sample teacher's own problems.
"""

import gzip
import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

import samples
from coordinator.cli import coordinator
from gpu_workers.cli import gpu_workers
from lambdas.stages.heartbeat import HEARTBEATS
from lambdas.stages.jsd import BOUNDARIES
from mycelium.command import call_command
from mycelium.datasets import CONNECTIVITY, DIVERGENCE, ENTROPY, IAF, RECEIVED
from mycelium.explore.trace import find_traces
from mycelium.manifest import Manifest, find_run, latest_run
from mycelium.schema import Dataset, decode_chunk
from mycelium.store import LocalStore, Store

LAYERS, HEADS = (3, 4), (4, 6, 7)
BOUNDS = {
    "iaf": (6e-4, 0),
    "entropy": (4e-3, 0),
    "connectivity": (0, 2e-3),
    "received": (2e-3, 2e-3),
    "divergence": (1e-3, 0),
}
"""How far the two ways may be apart, absolutely and relatively: each weight was rounded to float16 (a share of 2⁻¹¹)
before they were summed in the one way, and the sum in the other."""


def run(*words: str) -> None:
    programs = {"coordinator": coordinator, "gpu_workers": gpu_workers}
    assert call_command(programs[words[0]], words[0], words[1:]) == 0, " ".join(words)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store in which the sample's first problems were read both ways."""
    folder = tmp_path_factory.mktemp("two")
    at = ("--store", str(folder / "store"), "--quiet")
    run(
        "coordinator",
        "ingest",
        str(samples.PROBLEMS_FILE),
        "--dataset",
        "sample",
        "--limit",
        "20",
        "--chunk-size",
        "10",
        *at,
    )
    teacher = ("gpu_workers", "extract", "--model", str(samples.TEACHER_DIR), "--device", "cpu", *at)
    run(*teacher, "--signals", "iaf,entropy,connectivity,received,jsd")
    heads = ("--layers", ",".join(map(str, LAYERS)), "--heads", ",".join(map(str, HEADS)))
    run(*teacher, "--signals", "raw", *heads)
    run("coordinator", "run-stage", "iaf", *at)
    return LocalStore(folder / "store")


def find_both(store: Store) -> tuple[Manifest, Manifest]:
    """Return the run that read while computing, and the one from matrices."""
    from_matrices = latest_run(store, IAF)
    (fused,) = [
        find_run(store, info.key.split("/")[-1].removesuffix(".json"), IAF.name)
        for info in store.list("manifests/iaf/")
        if from_matrices.run_id not in info.key
    ]
    assert (fused.stage, from_matrices.stage) == ("extract", "iaf")
    return fused, from_matrices


def read(store: Store, manifest: Manifest, dataset: Dataset) -> pa.Table:
    """Return a signal's rows of the layers chosen, and the columns of the heads chosen."""
    tables = [decode_chunk(store.get(ref.key), dataset)[0] for _, ref in sorted(manifest.chunks(dataset.name).items())]
    table = pa.concat_tables(tables).unify_dictionaries()
    table = table.filter(np.isin(np.asarray(table["layer"]), LAYERS))
    return table.select([*(column.name for column in dataset.columns), *(f"head_{head:03d}" for head in HEADS)])


def read_values(table: pa.Table) -> npt.NDArray[np.float64]:
    return np.stack([table[f"head_{head:03d}"].to_numpy().astype(np.float64) for head in HEADS])


@pytest.mark.parametrize(
    "dataset", [IAF, ENTROPY, CONNECTIVITY, RECEIVED, DIVERGENCE], ids=lambda dataset: dataset.name
)
def test_both_ways_give_the_same_signal(store: Store, dataset: Dataset) -> None:
    fused, matrices = (read(store, manifest, dataset) for manifest in find_both(store))
    keys = [column.name for column in dataset.columns]
    assert fused.select(keys).to_pylist() == matrices.select(keys).to_pylist()
    absolute, relative = BOUNDS[dataset.name]
    one, other = read_values(fused), read_values(matrices)
    np.testing.assert_allclose(other, one, atol=absolute, rtol=relative)
    assert one.std() > 10 * absolute


def test_both_ways_count_the_same_heartbeats_but_at_the_threshold(store: Store) -> None:
    fused, matrices = find_both(store)
    at = ("--store", store.uri, "--quiet")
    counts = []
    for manifest in (fused, matrices):
        run("coordinator", "run-stage", "heartbeat", "--input", f"iaf/{manifest.run_id}", *at)
        beats = latest_run(store, HEARTBEATS)
        # A report finds the text of the tokens in either case.
        traces = find_traces(store, manifest, LAYERS[0], HEADS[0])
        assert len(traces) == 5
        assert all(len(trace.tokens) == len(trace.iaf) for trace in traces)
        rows = [
            row
            for _, ref in sorted(beats.chunks(HEARTBEATS.name).items())
            for row in decode_chunk(store.get(ref.key), HEARTBEATS)[0].to_pylist()
            if row["layer"] in LAYERS and row["head"] in HEADS
        ]
        counts.append({(row["layer"], row["head"], row["problem_id"]): row for row in rows})
    assert counts[0].keys() == counts[1].keys()
    assert len(counts[0]) == len(LAYERS) * len(HEADS) * 20
    different = [key for key in counts[0] if counts[0][key]["n_diastole"] != counts[1][key]["n_diastole"]]
    # Two counts may differ only where some token is within rounding of the threshold.
    table = read(store, fused, IAF)
    for layer, head, problem_id in different:
        mine = (np.asarray(table["layer"]) == layer) & (np.asarray(table["problem_id"]) == problem_id)
        values = table.filter(mine)[f"head_{head:03d}"].to_numpy().astype(np.float64)
        assert np.abs(values - 0.5).min() <= BOUNDS["iaf"][0]
    assert len(different) <= 1


def test_boundaries_are_counted_and_say_something_of_the_steps(store: Store) -> None:
    run("coordinator", "run-stage", "jsd", "--store", store.uri, "--quiet", "--input", find_both(store)[0].run_id)
    manifest = latest_run(store, BOUNDARIES)
    with gzip.open(samples.PROBLEMS_FILE, "rt") as file:
        truth = {row["id"]: row["n_steps"] for row in map(json.loads, file)}
    (best,) = manifest.result["boundary_head"]
    rows = [
        row
        for _, ref in sorted(manifest.chunks(BOUNDARIES.name).items())
        for row in decode_chunk(store.get(ref.key), BOUNDARIES)[0].to_pylist()
        if (row["layer"], row["head"]) == (best["layer"], best["head"])
    ]
    assert len(rows) == 20
    pairs = np.array([(row["n_step"], truth[row["problem_id"]]) for row in rows], float)
    # They are more than the steps where a chain has filler between them; docs/step-counts.md asks what they are worth.
    assert np.corrcoef(pairs.T)[0, 1] > 0.5
