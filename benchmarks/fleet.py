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
from benchmarks.measure import describe_machine
from coordinator.fleet.plan import weigh_problems
from coordinator.ingest.ingest import IngestParams, ingest_files
from mycelium.datasets import IAF, PROBLEMS, TOKENS
from mycelium.fleet import ShardMark, outcome_key, put_record, written_chunks
from mycelium.manifest import ObjectRef, Outcome, digest
from mycelium.schema import Header, Provenance, chunk_key, decode_chunk, encode_chunk
from mycelium.shard import cut_shards
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
print(seconds, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def measure_balance(path: Path) -> None:
    """Print the heaviest share over the mean, by how the problems are dealt out."""
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
    print(f"\n1. heaviest of four shares over the mean: {len(tokens):,} problems of {path.name}")
    print(f"characters and tokens correlate at {correlation:.3f}")
    print(f"{'order':<18}{'by number':>12}{'by characters':>16}{'by tokens':>12}")
    for order, places in (("as in the file", np.arange(len(tokens))), ("by length", np.argsort(tokens, kind="stable"))):
        true = tokens[places]
        ways = (np.ones_like(true), characters[places], true)
        print(
            f"{order:<18}{heaviest(ways[0], true):12.3f}{heaviest(ways[1], true):16.3f}{heaviest(ways[2], true):12.3f}"
        )


def heaviest(weights: np.ndarray, tokens: np.ndarray, n: int = 4) -> float:
    """Return the tokens of the heaviest share over the mean share, if problems are cut by some weights."""
    shares = [int(tokens[shard.start : shard.end + 1].sum()) for shard in cut_shards(weights, n)]
    return max(shares) / (int(tokens.sum()) / n)


def measure_overhead(rounds: int = 200) -> None:
    """Print what a worker's bookkeeping costs, against an S3 endpoint of this machine."""
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
    seconds = {
        "a mark, before a chunk": 0.0,
        "a record, after it": 0.0,
        "a listing of 2 x 123 chunks, twice a shard": 0.0,
    }
    for i in range(rounds):
        place = outcome_key("run", f"{i:05d}")
        ways: list[Callable[[], object]] = [
            functools.partial(put_record, store, "fleet/job/shards/00001.json", mark),
            functools.partial(put_record, store, place, outcome),
            functools.partial(written_chunks, store, "run", ("tokens", "iaf")),
        ]
        for name, way in zip(seconds, ways, strict=True):
            started = time.perf_counter()
            way()
            seconds[name] += time.perf_counter() - started
    server.stop()
    print(f"\n2. a worker's bookkeeping, mean of {rounds}, moto on this machine")
    for name, total in seconds.items():
        print(f"{name:<46}{total / rounds * 1000:8.1f} ms")


def measure_merge(n_chunks: int, chunk_size: int = 64) -> None:
    """Print what a merge takes, with every record there and with none."""
    print(f"\n3. merge of {n_chunks:,} chunks of {chunk_size} problems, a folder")
    with tempfile.TemporaryDirectory() as folder:
        write_run(LocalStore(folder), n_chunks, chunk_size)
        n_bytes = sum(info.size for info in LocalStore(folder).list("iaf/"))
        for what, before in (("every record there", None), ("no record: every byte read", "outcomes")):
            if before:
                subprocess.run(["rm", "-r", str(Path(folder) / before)], check=True)
            asked = [sys.executable, "-c", MERGE, folder]
            told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
            seconds, peak = map(float, told)
            print(f"{what:<30}{seconds:8.1f} s  {peak:6.0f} MiB at most, {n_bytes / 1e6:,.0f} MB of iaf")


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
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, default=samples.PROBLEMS_FILE)
    parser.add_argument("--chunks", type=int, default=2000)
    options = parser.parse_args()
    print(describe_machine())
    measure_balance(options.problems)
    measure_overhead()
    measure_merge(options.chunks)


if __name__ == "__main__":
    main()
