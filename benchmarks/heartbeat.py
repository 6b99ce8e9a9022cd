"""The heartbeat stage over the paper's 117 chunks: against a naive loop, and against merely reading the chunks.

    python -m benchmarks.heartbeat [--chunks 117] [--rounds 5]

The physical limit is the reading: bytes from the page cache, a SHA-256, zstd and byte-stream-split decoded by Arrow.
The chunks are telegraphs with noise: runs of 18 tokens on average, 50 problems of about 500 tokens, 28 heads of one
layer.
"""

import argparse
import tempfile
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import time_in_turn, timing_table
from benchmarks.record import add_out, begin
from benchmarks.result import Figure
from coordinator.executors.local import LocalExecutor
from lambdas.stages.heartbeat import HEARTBEATS, STAGE, HeartbeatParams, map_layers
from mycelium.datasets import IAF
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import (
    Header,
    Provenance,
    chunk_key,
    decode_chunk,
    encode_chunk,
    head_column,
    head_columns,
    trace_bounds,
)
from mycelium.store import LocalStore
from mycelium.task import keep_heap

OF = Provenance("bench", "generated", "none")
PROBLEMS, HEADS, TOKENS, MEAN_RUN = 50, 28, 500, 18


def make_chunk(seed: int) -> pa.Table:
    """Make one chunk of `iaf`."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(TOKENS - 150, TOKENS + 150, PROBLEMS)
    n = int(lengths.sum())
    columns = {
        "layer": np.zeros(n, np.int16),
        "problem_id": pa.array(np.repeat([f"p{i}" for i in range(PROBLEMS)], lengths)).dictionary_encode(),
        "level": np.repeat(rng.integers(1, 6, PROBLEMS), lengths).astype(np.int8),
        "t": np.concatenate([np.arange(length) for length in lengths]).astype(np.int32),
    }
    for h in range(HEADS):
        reading = np.cumsum(rng.random(n) < 1 / MEAN_RUN) % 2 == 1
        columns[head_column(h)] = np.where(reading, rng.beta(18, 2, n), rng.beta(2, 14, n)).astype(np.float16)
    return pa.table(columns)


def write_run(store: LocalStore, n_chunks: int) -> Manifest:
    """Write a run of generated chunks."""
    outcomes = []
    for i in range(n_chunks):
        chunk_id = f"{i:05d}"
        data = encode_chunk(IAF, make_chunk(i), Header("iaf", 1, chunk_id, OF, "bench v1"))
        key = chunk_key(IAF, "bench-000000000000", chunk_id)
        store.put(key, data)
        outcomes.append(Outcome(chunk_id, "done", (ObjectRef("iaf", key, len(data), digest(data)),)))
    return Manifest(
        "bench-000000000000",
        OF,
        "bench",
        1,
        {},
        "",
        "",
        (),
        0.0,
        0.0,
        complete=True,
        n_chunks=n_chunks,
        outcomes=tuple(outcomes),
    )


def naive(table: pa.Table) -> list[tuple[int, str, int, int]]:
    """Count as one writes it down: a loop over heads, problems and tokens."""
    ids = table["problem_id"].to_pylist()
    found = []
    for h, name in enumerate(head_columns(table)):
        values = table[name].to_pylist()
        for problem_id, group in groupby(range(len(ids)), key=ids.__getitem__):
            systoles = diastoles = 0
            for reading, run in groupby(values[i] >= 0.5 for i in group):
                if sum(1 for _ in run) >= 5:
                    systoles += reading
                    diastoles += not reading
            found.append((h, problem_id, systoles, diastoles))
    return found


def naive_numpy(table: pa.Table) -> list[tuple[int, str, int, int]]:
    """Count with an index for each head, problem and token, as the paper's first program did."""
    bounds = trace_bounds(table)
    values = np.stack([table[name].to_numpy() for name in head_columns(table)])
    ids = table["problem_id"].to_pylist()
    found = []
    for h in range(values.shape[0]):
        for p in range(len(bounds) - 1):
            counts = [0, 0]
            state, length = None, 0
            for i in range(bounds[p], bounds[p + 1]):
                reading = values[h, i] >= 0.5
                if reading != state:
                    if state is not None and length >= 5:
                        counts[int(state)] += 1
                    state, length = reading, 0
                length += 1
            if length >= 5:
                counts[int(bool(state))] += 1
            found.append((h, ids[bounds[p]], counts[1], counts[0]))
    return found


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=117)
    parser.add_argument("--rounds", type=int, default=5)
    add_out(parser)
    given = parser.parse_args()
    recording = begin("heartbeat", given.out)
    keep_heap()
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(folder)
        source = write_run(store, given.chunks)
        refs = list(source.chunks("iaf").values())
        paths = [Path(folder) / ref.key for ref in refs]
        tables = [decode_chunk(store.get(ref.key), IAF)[0] for ref in refs]
        assert_same(tables[0])
        outputs = iter(range(10_000))

        def read() -> None:
            for ref in refs:
                data = store.get(ref.key)
                assert digest(data) == ref.sha256
                decode_chunk(data, IAF)

        def run_tasks(workers: int) -> Manifest:
            target = LocalStore(Path(folder) / f"out-{next(outputs)}")
            Path(target.uri).mkdir()
            plan = plan_run(store, target, STAGE, HeartbeatParams(), [source])
            return run_plan(target, plan, LocalExecutor(workers), quiet=True)

        seconds = time_in_turn(
            {
                "read and decode (Arrow alone)": lambda: [pq.read_table(path, use_threads=False) for path in paths],
                "read, verify and decode": read,
                "map alone, chunks in memory": lambda: [map_layers([table], HeartbeatParams()) for table in tables],
                "whole stage, one process": lambda: run_tasks(1),
                "whole stage, two processes": lambda: run_tasks(2),
            },
            given.rounds,
        )
        slow = time_in_turn(
            {
                f"naive loop over Python floats, 1 chunk × {given.chunks}": lambda: naive(tables[0]),
                f"naive loop over NumPy scalars, 1 chunk × {given.chunks}": lambda: naive_numpy(tables[0]),
            },
            2,
        )
        seconds |= {name: [value * given.chunks for value in values] for name, values in slow.items()}
        n_values = sum(table.num_rows * HEADS for table in tables)
        size = sum(ref.size for ref in refs)
        manifest = run_tasks(2)
        written = sum(ref.size for ref in manifest.chunks(HEARTBEATS.name).values())
        peak_mb = max(outcome.peak_mb for outcome in manifest.outcomes)
    caption = (
        f"{given.chunks} chunks, {n_values / 1e6:.1f} million values, {size / 1e6:.1f} MB; {written / 1e6:.1f} MB of "
        f"{HEARTBEATS.name} written; peak memory of a worker {peak_mb:.0f} MB"
    )
    stage, loop = (tuple(seconds[name]) for name in ("whole stage, one process", next(iter(slow))))
    figures = [
        Figure("stage", f"the heartbeat stage, {given.chunks} chunks, one process", stage, "s", "a naive loop", loop)
    ]
    recording.save(
        "Counting heartbeats, beside reading the chunks and a naive loop",
        [timing_table(caption, seconds, base="read, verify and decode")],
        figures,
    )


def assert_same(table: pa.Table) -> None:
    """Check that both sides count the same."""
    rows = map_layers([table], HeartbeatParams())[0].to_pylist()
    assert naive(table) == naive_numpy(table)
    assert [(r["head"], r["problem_id"], r["n_systole"], r["n_diastole"]) for r in rows] == naive(table)


if __name__ == "__main__":
    main()
