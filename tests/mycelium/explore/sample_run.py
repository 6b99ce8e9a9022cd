"""A run of signals with the text of its tokens, for tests that draw."""

from collections.abc import Sequence

import pyarrow as pa

from mycelium.datasets import IAF, TOKENS
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.schema import chunk_key, encode_chunk
from mycelium.store import Store
from tests.builders import GSM8K, make_header, make_iaf

RUN_ID = "gsm8k-aaaaaaaaaaaa"


def make_tokens(lengths: Sequence[int], seed: int, levels: Sequence[int | None]) -> pa.Table:
    """Make the `tokens` that go with `make_iaf`; the last problem was skipped."""
    schema = TOKENS.arrow_schema()
    rows = [
        {
            "problem_id": f"p{seed}-{i}",
            "level": levels[i % len(levels)],
            "n_input": 3,
            "n_generated": length,
            "tokens": [f" w{t}\n" for t in range(length)],
            "skipped": "too long" if i == len(lengths) - 1 else None,
        }
        for i, length in enumerate(lengths)
    ]
    return pa.table({name: [row[name] for row in rows] for name in schema.names}, schema=schema)


def build_drawn_run(store: Store, lengths: Sequence[int] = (60, 40, 30, 20), *, tokens: bool = True) -> Manifest:
    """Write two chunks of signals, and of tokens beside them, and their manifest."""
    outcomes = []
    levels = (2, None, 1, 3)
    for i in range(2):
        chunk_id, refs = f"{i:05d}", []
        tables = {TOKENS: make_tokens(lengths, i, levels), IAF: make_iaf(lengths, seed=i, levels=levels)}
        for dataset, table in tables.items():
            if dataset is TOKENS and not tokens:
                continue
            data = encode_chunk(dataset, table, make_header(dataset, chunk_id))
            key = chunk_key(dataset, RUN_ID, chunk_id)
            store.put(key, data)
            refs.append(ObjectRef(dataset.name, key, len(data), digest(data)))
        outcomes.append(Outcome(chunk_id, "done", tuple(refs), n_problems=len(lengths)))
    manifest = Manifest(RUN_ID, GSM8K, "extract", 1, {}, "test", "test", (), 1.0, 0.0, True, 2, tuple(outcomes))
    write_manifest(store, manifest, (TOKENS, IAF))
    return manifest
