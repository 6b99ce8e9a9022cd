"""The stage `templates`, from chunks to chunks: memory, time, and how both grow.

python -m benchmarks.template_stage                  # one process, 41,787 steps of 896 numbers
python -m benchmarks.template_stage --rounds         # a million steps, templates grown on sums, round by round
python -m benchmarks.template_stage --map            # how fast an artifact is loaded and assigns

The steps are made up: 34 kinds of very different frequency, vectors about their kinds' centres. Each size runs in a
process of its own with one worker, itself, so that its peak and its CPU time are all there is.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measure import describe_machine
from coordinator.executors.local import LocalExecutor
from lambdas.stages.labels import LABELS
from lambdas.stages.steps import STEPS
from lambdas.stages.templates import STAGE, map_steps
from mycelium.datasets import EMBEDDINGS, PROBLEMS
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Dataset, Header, Provenance, chunk_key, encode_chunk
from mycelium.stage import MADE_BY
from mycelium.store import LocalStore
from mycelium.task import decode_part, peak_memory_mb
from mycelium.templates.fitted import Fitted
from mycelium.templates.params import TemplatesParams

N_LABEL = 34
STEPS_EACH = 8
OF = Provenance("made-up", "made up")


@dataclass(frozen=True)
class Size:
    """What is run."""

    n_step: int
    n_feature: int
    chunk: int
    params: TemplatesParams


def make_chunk(number: int, n: int, size: Size) -> dict[Dataset, pa.Table]:
    """Make the tables of one chunk."""
    rng = np.random.default_rng(number)
    centers = np.random.default_rng(0).normal(0, 1, (N_LABEL, size.n_feature))
    kinds = rng.choice(N_LABEL, n, p=(share := 1 / np.arange(2, N_LABEL + 2)) / share.sum())
    vectors = np.empty((n, size.n_feature), np.float16)
    for start in range(0, n, 4096):
        part = slice(start, start + 4096)
        noise = rng.normal(0, 1.5 * np.sqrt(size.n_feature / 8), (len(kinds[part]), size.n_feature))
        vectors[part] = centers[kinds[part]] + noise
    index = number * (size.chunk // STEPS_EACH) + np.arange(n) // STEPS_EACH
    step, names = np.arange(n) % STEPS_EACH, [f"label{i:02d}" for i in range(N_LABEL)]
    ids = pa.array([f"q{i}" for i in index.tolist()])
    label = pa.DictionaryArray.from_arrays(pa.array(kinds.astype(np.int32)), pa.array(names)).cast(pa.string())
    lists = pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32)), label)
    nothing = pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, np.int32)), pa.array([], pa.string()))
    known = {
        "problem_id": ids,
        "index": index,
        "level": pa.nulls(n, pa.int8()),
        "step": step.astype(np.int32),
        "start": pa.array(np.zeros(n, np.int32)),
        "end": pa.array(np.ones(n, np.int32)),
        "kind": pa.array(["dollar"] * n),
        "expression": label,
        "digest": pa.array([bytes(row) for row in rng.integers(0, 256, (n, 16), np.uint8)], pa.binary(16)),
        "operands": nothing,
        "origins": nothing,
        "sources": nothing.cast(pa.list_(pa.int32())),
        "results": nothing,
        "refusal": pa.nulls(n, pa.string()),
        "labels": lists,
        "primary": label,
        "root": label,
        "embedding": pa.ListArray.from_arrays(
            pa.array(np.arange(n + 1, dtype=np.int32) * size.n_feature), pa.array(vectors.ravel())
        ),
    }
    problems = pa.array(sorted({f"q{i}" for i in index.tolist()}))
    texts = {"problem": "p", "chain_of_thought": "c"}
    tables = {}
    for dataset in (PROBLEMS, STEPS, LABELS, EMBEDDINGS):
        schema = dataset.arrow_schema()
        if dataset is PROBLEMS:
            m = len(problems)
            columns = [
                problems
                if name == "problem_id"
                else pa.array(np.arange(m))
                if name == "index"
                else pa.array([texts.get(name)] * m, schema.field(name).type)
                for name in schema.names
            ]
        else:
            columns = [known[name] for name in schema.names]
        tables[dataset] = pa.table(dict(zip(schema.names, columns, strict=True))).cast(schema)
    return tables


def make_runs(store: LocalStore, size: Size) -> list[Manifest]:
    """Write the runs that the stage reads."""
    outcomes: dict[Dataset, list[Outcome]] = {dataset: [] for dataset in (PROBLEMS, STEPS, LABELS, EMBEDDINGS)}
    for number, start in enumerate(range(0, size.n_step, size.chunk)):
        for dataset, table in make_chunk(number, min(size.chunk, size.n_step - start), size).items():
            chunk_id = f"{number:05d}"
            data = encode_chunk(dataset, table, Header(dataset.name, dataset.version, chunk_id, OF, "made up v1"))
            key = chunk_key(dataset, "made-up-0", chunk_id)
            store.put(key, data)
            outcomes[dataset].append(
                Outcome(chunk_id, "done", (ObjectRef(dataset.name, key, len(data), digest(data)),))
            )
    manifests = []
    for dataset, done in outcomes.items():
        manifest = Manifest(
            "made-up-0", OF, "made up", 1, {}, "", "", (), 1.0, 0.0, complete=True, n_chunks=len(done),
            outcomes=tuple(done),
        )  # fmt: skip
        write_manifest(store, manifest, (dataset,))
        manifests.append(manifest)
    return manifests


def run(size: Size, folder: Path) -> Manifest:
    """Run the stage over made-up steps, and print what that took."""
    store = LocalStore(folder)
    manifests = make_runs(store, size)
    before, start = peak_memory_mb(), time.perf_counter()
    used = time.process_time()
    plan = plan_run(store, store, STAGE, size.params, manifests)
    manifest = run_plan(store, plan, LocalExecutor(1), quiet=True)
    assert manifest.complete, manifest.failed
    rounds = sum("question" in info.key for info in store.list(f"fits/{plan.run_id}/"))
    print(
        f"{size.n_step:>9,} x {size.n_feature:<4} {rounds:>5} rounds  {time.perf_counter() - start:8.1f} s  "
        f"{time.process_time() - used:8.1f} CPU s  peak {peak_memory_mb():5.0f} MB (before {before:.0f})  "
        f"k = {manifest.result['fit'][0]['k']}",
        flush=True,
    )
    return manifest


def measure_map(folder: Path) -> None:
    """Print how long an artifact takes to load, and how fast steps are assigned."""
    size = Size(20_000, 512, 2_000, TemplatesParams(k=60, k_max=60))
    manifest = run(size, folder)
    assert manifest.fit is not None
    data = LocalStore(folder).get(manifest.fit.key)
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        Fitted.from_table(decode_part(data))
        seconds.append(time.perf_counter() - start)
    tables = list(make_chunk(99, 8_000, size).values())
    tables[3] = tables[3].replace_schema_metadata({MADE_BY: b'["made up v1",{}]'})  # as a task would say
    steps = []
    for _ in range(5):
        start = time.perf_counter()
        map_steps([*tables, decode_part(data)], size.params)
        steps.append(8_000 / (time.perf_counter() - start))
    print(f"artifact {len(data) / 1e6:.2f} MB, loaded in {np.median(seconds) * 1000:.1f} ms; "
          f"{np.median(steps):,.0f} steps/s assigned in one process")  # fmt: skip


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", action="store_true", help="templates grown on sums")
    parser.add_argument("--map", action="store_true", help="the map alone")
    parser.add_argument("--steps", type=int, nargs="+", help="how many; several for growth")
    parser.add_argument("--k-max", type=int, default=None)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sizes = given.steps or ([250_000, 500_000, 1_000_000] if given.rounds else [41_787])
    if not given.alone:
        print(describe_machine(), flush=True)
        for n_step in sizes:
            command = [sys.executable, "-m", "benchmarks.template_stage", "--alone", "--steps", str(n_step)]
            command += ["--rounds"] * given.rounds + ["--map"] * given.map
            command += ["--k-max", str(given.k_max)] if given.k_max else []
            subprocess.run(command, check=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        if given.map:
            measure_map(Path(folder))
        elif given.rounds:
            params = TemplatesParams(sample=50_000, in_memory=0, k_max=given.k_max or 6)
            run(Size(sizes[0], 32, 10_000, params), Path(folder))
        else:
            params = TemplatesParams(k_max=given.k_max or 60)
            run(Size(sizes[0], 896, 512, params), Path(folder))


if __name__ == "__main__":
    main()
