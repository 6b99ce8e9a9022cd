"""The stage `templates`, from chunks to chunks: memory, time, and how both grow.

    python -m benchmarks.template_stage [--only gathered sums map] [--steps N …] [--k-max N]

gathered  p(y|x) of 41,787 steps of 896 numbers is gathered, and templates are grown in memory
sums      250,000 and 1,000,000 steps; templates are grown on sums, round by round
map       how fast an artifact is loaded, and steps are assigned

The steps are made up: 34 kinds of very different frequency, vectors about their kinds' centres. Each size runs in a
process of its own with one worker, itself, so that its peak and its CPU time are all there is.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.record import add_out, begin
from benchmarks.result import Column, Figure, Table
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
STEPS_OF = {"gathered": [41_787], "sums": [250_000, 1_000_000], "map": [20_000]}
NUMBERS = {"gathered": 896, "sums": 32}


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


def run(size: Size, folder: Path) -> tuple[Manifest, dict[str, Any]]:
    """Run the stage over made-up steps; return its manifest, and what that took."""
    store = LocalStore(folder)
    manifests = make_runs(store, size)
    before, start = peak_memory_mb(), time.perf_counter()
    used = time.process_time()
    plan = plan_run(store, store, STAGE, size.params, manifests)
    manifest = run_plan(store, plan, LocalExecutor(1), quiet=True)
    assert manifest.complete, manifest.failed
    took: dict[str, Any] = {
        "wall_s": time.perf_counter() - start,
        "cpu_s": time.process_time() - used,
        "rounds": sum("question" in info.key for info in store.list(f"fits/{plan.run_id}/")),
        "peak_mb": peak_memory_mb(),
        "before_mb": before,
        "k": manifest.result["fit"][0]["k"],
    }
    return manifest, took


def measure_map(size: Size, folder: Path) -> dict[str, Any]:
    """Return how large an artifact is, how long it takes to load, and how many steps a second are assigned."""
    manifest, _ = run(size, folder)
    assert manifest.fit is not None
    data = LocalStore(folder).get(manifest.fit.key)
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        Fitted.from_table(decode_part(data))
        seconds.append(time.perf_counter() - start)
    tables = list(make_chunk(99, 8_000, size).values())
    tables[3] = tables[3].replace_schema_metadata({MADE_BY: b'["made up v1",{}]'})  # as a task would say
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        map_steps([*tables, decode_part(data)], size.params)
        rates.append(8_000 / (time.perf_counter() - start))
    return {"size_mb": len(data) / 1e6, "load_s": seconds, "steps_s": rates}


def measure_alone(part: str, n_step: int, k_max: int | None) -> dict[str, Any]:
    """Measure one part at one size; this process does nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        if part == "map":
            k = k_max or 60
            return measure_map(Size(n_step, 512, 2_000, TemplatesParams(k=k, k_max=k)), Path(folder))
        if part == "sums":
            params = TemplatesParams(sample=50_000, in_memory=0, k_max=k_max or 6)
            return run(Size(n_step, 32, 10_000, params), Path(folder))[1]
        return run(Size(n_step, 896, 512, TemplatesParams(k_max=k_max or 60)), Path(folder))[1]


def measure_apart(part: str, n_step: int, k_max: int | None) -> dict[str, Any]:
    """Measure the same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.template_stage", "--alone", "--only", part, "--steps", str(n_step)]
    command += ["--k-max", str(k_max)] if k_max else []
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as in a function; it is read when NumPy is imported
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    print(f"{part}, {n_step:,} steps: {found}", file=sys.stderr, flush=True)
    return found


def tabulate_stage(found: dict[tuple[str, int], dict[str, Any]]) -> Table:
    """Return what runs of the stage took, as a table."""
    rows = []
    for (part, n_step), took in found.items():
        how = "gathered" if part == "gathered" else "asked for in sums"
        where = f"{how}, {took['k']} templates"
        taken = (took["rounds"], took["cpu_s"], took["peak_mb"], took["before_mb"])
        rows.append((f"{n_step:,}", NUMBERS[part], where, *taken))
    columns = (
        Column("numbers each"),
        Column("p(y|x)"),
        Column("rounds"),
        Column("of a processor", "s"),
        Column("peak", "MB"),
        Column("of it before", "MB"),
    )
    return Table("Made-up steps, one process with one thread.", columns, tuple(rows), "stage", "steps")


def main() -> None:
    """Measure what is asked for, and record it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(STEPS_OF), default=list(STEPS_OF))
    parser.add_argument("--steps", type=int, nargs="+", help="how many; several for growth")
    parser.add_argument("--k-max", type=int, default=None)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    add_out(parser)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(measure_alone(given.only[0], given.steps[0], given.k_max)))
        return
    recording = begin("template-stage", given.out)
    found = {
        (part, n_step): measure_apart(part, n_step, given.k_max)
        for part in given.only
        for n_step in given.steps or STEPS_OF[part]
    }
    stage = {key: took for key, took in found.items() if key[0] != "map"}
    tables = [tabulate_stage(stage)] if stage else []
    figures = []
    for (part, n_step), took in stage.items():
        if part == "gathered":
            continue
        each_us = took["cpu_s"] / took["rounds"] / n_step * 1e6
        figures += [Figure(f"round-{n_step}", f"a round over {n_step:,} steps, of a processor", each_us, "µs a step")]
    for (part, _), took in found.items():
        if part == "map":
            figures += [
                Figure(
                    "artifact", f"the artifact of {given.k_max or 60} templates over 512 numbers", took["size_mb"], "MB"
                ),
                Figure("load", "loading it", tuple(took["load_s"]), "s"),
                Figure("assign", "steps of 512 numbers assigned by one process", tuple(took["steps_s"]), "a second"),
            ]
            parts = (("artifact, MB", took["size_mb"]), ("loaded in, s", tuple(took["load_s"])))
            rows = (*parts, ("assigned, steps a second", tuple(took["steps_s"])))
            tables.append(Table("The map alone.", (Column("median"),), rows, "map"))
    recording.save("The stage `templates`, from chunks to chunks", tables, figures)


if __name__ == "__main__":
    main()
