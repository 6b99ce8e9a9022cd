"""Small chunks and runs, made by hand, for tests of any room."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mycelium.datasets import IAF, PROBLEMS
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.schema import Dataset, Header, Provenance, chunk_key, encode_chunk, head_column
from mycelium.store import Store

GSM8K = Provenance("gsm8k", "GSM8K", "teacher@0123456789ab")


def make_iaf(
    lengths: Sequence[int] = (40, 7, 23),
    *,
    layers: int = 2,
    heads: int = 3,
    seed: int = 0,
    levels: Sequence[int | None] = (1, 2, None, 3, 5),
) -> pa.Table:
    """Make a table of `iaf`: telegraphs with noise, one problem for each length."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    ids = np.repeat([f"p{seed}-{i}" for i in range(len(lengths))], lengths)
    level = [levels[i % len(levels)] for i, length in enumerate(lengths) for _ in range(length)]
    tables = []
    for layer in range(layers):
        columns: dict[str, Any] = {
            "layer": np.full(n, layer, np.int16),
            "problem_id": pa.array(ids, pa.string()).dictionary_encode(),
            "level": pa.array(level, pa.int8()),
            "t": np.concatenate([np.arange(length) for length in lengths]).astype(np.int32),
        }
        for h in range(heads):
            reading = np.cumsum(rng.random(n) < 0.1) % 2 == 1
            values = np.where(reading, rng.beta(9, 1, n), rng.beta(1, 9, n))
            columns[head_column(h)] = np.clip(values, 0, 1).astype(np.float16)
        tables.append(pa.table(columns))
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def make_header(dataset: Dataset = IAF, chunk_id: str = "00000", provenance: Provenance = GSM8K) -> Header:
    """Make a chunk's header."""
    return Header(dataset.name, dataset.version, chunk_id, provenance, "test v1")


@dataclass
class BuiltRun:
    """A run written by a test: its manifest, and the keys of its chunks by id."""

    manifest: Manifest
    keys: dict[str, str] = field(default_factory=dict)


def build_run(
    store: Store,
    tables: Sequence[pa.Table],
    dataset: Dataset = IAF,
    run_id: str = "gsm8k-aaaaaaaaaaaa",
    *,
    provenance: Provenance = GSM8K,
    chunk_provenance: Callable[[int], Provenance] | None = None,
    complete: bool = True,
    finished_s: float = 1.0,
) -> BuiltRun:
    """Write tables as the chunks of a run, and its manifest."""
    outcomes, keys = [], {}
    for i, table in enumerate(tables):
        chunk_id = f"{i:05d}"
        of = chunk_provenance(i) if chunk_provenance else provenance
        data = encode_chunk(dataset, table, make_header(dataset, chunk_id, of))
        key = keys[chunk_id] = chunk_key(dataset, run_id, chunk_id)
        store.put(key, data, mode="overwrite")
        ref = ObjectRef(dataset.name, key, len(data), digest(data))
        outcomes.append(Outcome(chunk_id, "done", (ref,), n_problems=len(table["problem_id"].unique())))
    manifest = Manifest(
        run_id=run_id,
        provenance=provenance,
        stage="extract",
        stage_version=1,
        params={},
        commit="test",
        executor="test",
        inputs=(),
        finished_s=finished_s,
        wall_s=0.0,
        complete=complete,
        n_chunks=len(tables),
        outcomes=tuple(outcomes),
    )
    write_manifest(store, manifest, (dataset,))
    return BuiltRun(manifest, keys)


def make_problems(n: int = 3, *, text: str = "chain of thought", levels: Sequence[int | None] = (1, 2, 3)) -> pa.Table:
    """Make a table of `problems`."""
    rows = [
        {
            "problem_id": f"q{i}",
            "index": i,
            "problem": f"problem number {i}",
            "chain_of_thought": f"{text} {i} " * (i + 1),
            "level": levels[i % len(levels)],
        }
        for i in range(n)
    ]
    schema = PROBLEMS.arrow_schema()
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


def make_computing_problems(n: int, first: int = 0) -> pa.Table:
    """Make a table of `problems`, each with a chain of two small computations of its own numbers."""
    places = range(first, first + n)
    rows = {
        "problem_id": [f"p{i}" for i in places],
        "index": list(places),
        "problem": [f"Ann has {i} apples and buys 2 more, thrice. How many are there?" for i in places],
        "chain_of_thought": [f"First {i} + 2 = {i + 2}. Then ${i + 2} \\times 3 = {3 * i + 6}$." for i in places],
        "level": [i % 5 + 1 for i in places],
        "subject": ["Counting"] * n,
        "answer": [str(3 * i + 6) for i in places],
        "author": [None] * n,
    }
    return pa.table(rows, schema=PROBLEMS.arrow_schema())
