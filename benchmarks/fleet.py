"""What the fleet is worth: how even the shares are, what a worker's bookkeeping costs, and how large a merge may be.

    python -m benchmarks.fleet [--problems FILE] [--chunks 2000]

Three tables. (1) The heaviest of four shares over the mean one, in true tokens, when problems are dealt out by number,
by characters, or by tokens; tokens are those of the sample teacher's tokenizer, over FILE or the sample's problems, in
the order of their file, and sorted by length, the worst order for a cut by number. (2) Milliseconds that a worker adds
to a chunk (its mark before, its record after) and to a shard, against an S3 endpoint of this machine. (3) Seconds and
memory of `merge` over a folder of so many chunks. ADR 0062 quotes them.
"""

import argparse
import functools
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import numpy as np
from moto.server import ThreadedMotoServer
from tokenizers import Tokenizer

import samples
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from coordinator.fleet.plan import weigh_problems
from coordinator.ingest.ingest import IngestParams, ingest_files
from mycelium.datasets import IAF, PROBLEMS, TOKENS
from mycelium.fleet.chunks import written_chunks
from mycelium.fleet.records import ShardMark, outcome_key, put_record
from mycelium.fleet.shards import cut_shards
from mycelium.manifest import ObjectRef, Outcome, digest
from mycelium.schema import Header, Provenance, chunk_key, decode_chunk, encode_chunk
from mycelium.store import LocalStore, S3Store
from tests.builders import build_run, make_problems
from tests.coordinator.merge.conftest import make_iaf, make_tokens

MERGE = """
import re, sys, time
from coordinator.merge.whole import merge_run
from mycelium.store import LocalStore
started = time.perf_counter()
merge = merge_run(LocalStore(sys.argv[1]), "math-aaaaaaaaaaaa", quiet=True)
assert merge.manifest is not None, merge.faults[:3]
seconds = time.perf_counter() - started
# Not getrusage's figure, which begins at that of the process that started this one.
print(seconds, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024 / 1e6)
"""


def measure_balance(path: Path) -> Table:
    """Return the heaviest share over the mean, by how the problems are dealt out."""
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(folder)
        problems = ingest_files(store, (path,), "bench", IngestParams(64), {}, quiet=True)
        characters, _ = weigh_problems(store, problems)
        tokenizer = Tokenizer.from_file(str(samples.TEACHER_DIR / "tokenizer.json"))
        texts = []
        for ref in problems.chunks(PROBLEMS.name).values():
            table, _ = decode_chunk(store.get(ref.key), PROBLEMS)
            texts += [f"{row['problem']}\n{row['chain_of_thought']}" for row in table.to_pylist()]
    tokens = np.array([len(found.ids) for found in tokenizer.encode_batch(texts)])
    correlation = np.corrcoef(characters, tokens)[0, 1]
    rows: list[tuple[Cell, ...]] = []
    for order, places in (("as in the file", np.arange(len(tokens))), ("by length", np.argsort(tokens, kind="stable"))):
        true = tokens[places]
        ways = (np.ones_like(true), characters[places], true)
        rows.append((order, *(heaviest(weights, true) for weights in ways)))
    caption = (
        f"The heaviest of four shares over the mean one, in true tokens: {len(tokens):,} problems of {path.name}; "
        f"characters and tokens correlate at {correlation:.3f}."
    )
    columns = tuple(Column(name, form=".3f") for name in ("by number", "by characters", "by tokens"))
    return Table(caption, columns, tuple(rows), "balance", "order")


def heaviest(weights: np.ndarray, tokens: np.ndarray, n: int = 4) -> float:
    """Return the tokens of the heaviest share over the mean share, if problems are cut by some weights."""
    shares = [int(tokens[shard.start : shard.end + 1].sum()) for shard in cut_shards(weights, n)]
    return max(shares) / (int(tokens.sum()) / n)


def measure_overhead(rounds: int) -> Table:
    """Return what a worker's bookkeeping costs, against an S3 endpoint of this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    boto3.client("s3").create_bucket(Bucket="bench")
    store = S3Store("bench")
    mark, outcome = ShardMark(1, "i-0", 1, "reading", "00001", "a", "b"), Outcome("00001", "done")
    for i in range(123):
        for dataset in ("tokens", "iaf"):
            store.put(f"{dataset}/run/{i:05d}.parquet", b"x")
    names = ("a mark, before a chunk", "a record, after it", "a listing of 2 × 123 chunks, twice a shard")
    taken_ms: dict[str, list[float]] = {name: [] for name in names}
    for i in range(rounds):
        place = outcome_key("run", f"{i:05d}")
        ways: list[Callable[[], object]] = [
            functools.partial(put_record, store, "fleet/job/shards/00001.json", mark),
            functools.partial(put_record, store, place, outcome),
            functools.partial(written_chunks, store, "run", ("tokens", "iaf")),
        ]
        for name, way in zip(names, ways, strict=True):
            started = time.perf_counter()
            way()
            taken_ms[name].append((time.perf_counter() - started) * 1e3)
    server.stop()
    # What is kept are hundredths, and not two hundred repetitions.
    rows: list[tuple[Cell, ...]] = [
        (name, *map(float, np.percentile(values, [50, 10, 90]))) for name, values in taken_ms.items()
    ]
    columns = (Column("median", "ms"), Column("a tenth below", "ms"), Column("a tenth above", "ms"))
    return Table(f"A worker's bookkeeping, {rounds} of each, against moto here.", columns, tuple(rows), "overhead")


def measure_merge(n_chunks: int, chunk_size: int = 64) -> Table:
    """Return what a merge takes, with every record there and with none."""
    rows: list[tuple[Cell, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        write_run(LocalStore(folder), n_chunks, chunk_size)
        n_bytes = sum(info.size for info in LocalStore(folder).list("iaf/"))
        for what, before in (("every record there", None), ("no record: every byte read", "outcomes")):
            if before:
                subprocess.run(["rm", "-r", str(Path(folder) / before)], check=True)
            asked = [sys.executable, "-c", MERGE, folder]
            told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
            seconds, peak = map(float, told)
            rows.append((what, seconds, peak))
    caption = f"`merge` of {n_chunks:,} chunks of {chunk_size} problems, {n_bytes / 1e6:,.0f} MB of `iaf`, a folder."
    return Table(caption, (Column("time", "s"), Column("peak", "MB")), tuple(rows), "merge")


def write_run(store: LocalStore, n_chunks: int, chunk_size: int) -> None:
    """Write a run as workers leave it."""
    table = make_problems(chunk_size)
    tables = []
    for i in range(n_chunks):
        columns = {name: table[name].to_pylist() for name in table.column_names}
        columns["problem_id"] = [f"q{i * chunk_size + j}" for j in range(chunk_size)]
        columns["index"] = [i * chunk_size + j for j in range(chunk_size)]
        columns["chain_of_thought"] = ["It is so."] * chunk_size
        tables.append(type(table).from_pydict(columns, schema=table.schema))
    untaught = Provenance("math", "MATH")
    problems = build_run(store, tables, PROBLEMS, "math-bbbbbbbbbbbb", provenance=untaught).manifest
    for chunk_id, source in problems.chunks(PROBLEMS.name).items():
        ids = [f"q{int(chunk_id) * chunk_size + j}" for j in range(chunk_size)]
        refs = []
        for dataset, rows in ((TOKENS, make_tokens(ids)), (IAF, make_iaf(ids))):
            inputs = {source.key: source.sha256}
            taught = Provenance("math", "MATH", "teacher@0")
            header = Header(dataset.name, 1, chunk_id, taught, "extract v1", {}, inputs, chunk_size)
            data, key = encode_chunk(dataset, rows, header), chunk_key(dataset, "math-aaaaaaaaaaaa", chunk_id)
            store.put(key, data)
            refs.append(ObjectRef(dataset.name, key, len(data), digest(data)))
        outcome = Outcome(chunk_id, "done", tuple(refs), n_input=chunk_size)
        put_record(store, outcome_key("math-aaaaaaaaaaaa", chunk_id), outcome)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, default=samples.PROBLEMS_FILE)
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=200)
    add_out(parser)
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    recording = begin("fleet", options.out)
    balance = measure_balance(options.problems)
    overhead, merge = measure_overhead(options.rounds), measure_merge(options.chunks)
    worst = balance.rows[-1]
    what = "the heaviest of four shares over the mean, problems by length"
    figures = [Figure("balance", what, worst[2], "×", "dealt out by number", worst[1], form=".3f")]
    recording.save("What the fleet's shares, bookkeeping and merge are worth", [balance, overhead, merge], figures)


if __name__ == "__main__":
    main()
