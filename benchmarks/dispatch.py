"""Dispatching tasks on one machine: our executor with all its bookkeeping, beside seven frameworks.

    python -m benchmarks.dispatch [--rounds 3] [--short] [--only PART…] [--ways TEXT…] [--workers 2] [--limit 60]

start   seconds from the import of the framework to its first result; NumPy and Arrow are there already
no-ops  milliseconds for each task that does nothing, at 117, 1,000 and 5,850 tasks. Ours goes through the one hinge of
        every task, and has its outcomes, progress, reduce and manifest (`benchmarks.dispatch_ours`).
chunks  seconds for 117 chunks of about 4 MB, Parquet with zstd, float16: read, decode, count heartbeats, encode, write.
        `first` with what workers still have to import, for ours with starting them; `again` once more in the same
        process. Peers make the same calls and no digests, parts, outcomes or manifest; ours also plans the run.

Every way is a fresh process in every round, one way after the other; medians. What would take longer than the limit is
left out, and a way whose first round took over a minute is measured once. The frameworks get an environment of
their own below .cache, made on the first run from the package index; one that can't be installed is named and left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.dispatch_peers import WAYS
from benchmarks.heartbeat import OF, make_chunk
from benchmarks.peers import PeersError, find_environment, install
from benchmarks.record import ROOT, add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from coordinator.executors.local import count_cores
from mycelium.datasets import IAF
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.schema import Header, chunk_key, encode_chunk
from mycelium.store import LocalStore, Store

ENVIRONMENT = find_environment("dispatch")
BASE = ("numpy", "pyarrow", "msgspec", "boto3", "array-api-compat")
PACKAGES = {
    "joblib": ("joblib==1.6.0",),
    "loky": ("loky==3.7.0",),
    "Ray": ("ray==2.60.0",),
    "Dask distributed": ("distributed==2026.8.0",),
    "mrjob": ("mrjob==0.7.4", "setuptools<81"),  # it asks for distutils
    "Lithops localhost v1": ("lithops==3.8.0",),
    "Lithops localhost v2": ("lithops==3.8.0",),
}
OURS = {"ours": 0, "ours, all workers at once": -1, "ours, --max-workers 1": 1}
PARTS = ("start", "no-ops", "chunks")
SIZES = (117, 1000, 5850)
N_CHUNKS, LAYERS = 117, 4
RUN = "bench-000000000000"
PROCESS_LIMIT_S = 900
POOL = "ProcessPoolExecutor"
MANY, NO_OP_MS, START_S, CHUNKS_RATIO = 1000, 0.05, 0.3, 1.2
"""What is asked: of no-ops where there are so many, of the first task, of real chunks."""
ONCE_S = 60.0
"""A way whose first round takes longer is not measured again: the fast ones are what rounds are for."""


@dataclass
class Found:
    """What was measured of one way, over the rounds."""

    start_s: list[float] = field(default_factory=list)
    no_op_s: dict[str, list[float]] = field(default_factory=dict)
    first_s: list[float] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)
    why_not: str = ""
    round_s: float = 0.0

    def take(self, answer: dict[str, Any]) -> None:
        """Take one round."""
        self.start_s.append(answer["start_s"])
        for size, seconds in answer["no_op_s"].items():
            self.no_op_s.setdefault(size, []).append(seconds)
        if answer["real_s"]:
            self.first_s.append(answer["real_s"][0])
            self.again_s.append(answer["real_s"][1])


def prepare(ways: list[str]) -> dict[str, str]:
    """Make the peers' environment as far as it is not there; return why a way can't be measured, where it can't."""
    missing: dict[str, str] = {}
    for name, packages in {"": BASE, **{way: PACKAGES[way] for way in ways if way in PACKAGES}}.items():
        try:
            install("dispatch", packages, None if name else ROOT / "constraints.txt")
        except PeersError as error:
            missing[name] = str(error)
    return missing


def write_chunks(store: Store, n_chunks: int) -> int:
    """Write a run of chunks of several layers, and its manifest; return the bytes of all chunks."""
    outcomes = []
    for i in range(n_chunks):
        tables = [make_chunk(i * LAYERS + layer) for layer in range(LAYERS)]
        layers = [
            table.set_column(0, "layer", pa.array([layer] * table.num_rows, pa.int16()))
            for layer, table in enumerate(tables)
        ]
        chunk_id = f"{i:05d}"
        whole = pa.concat_tables(layers).unify_dictionaries().combine_chunks()
        data = encode_chunk(IAF, whole, Header("iaf", 1, chunk_id, OF, "bench v1"))
        key = chunk_key(IAF, RUN, chunk_id)
        store.put(key, data)
        outcomes.append(Outcome(chunk_id, "done", (ObjectRef("iaf", key, len(data), digest(data)),)))
    end = {"complete": True, "n_chunks": n_chunks, "outcomes": tuple(outcomes)}
    manifest = Manifest(RUN, OF, "bench", 1, {}, "", "", (), 0.0, 0.0, **end)  # type: ignore[arg-type]
    write_manifest(store, manifest, (IAF,))
    return sum(ref.size for outcome in outcomes for ref in outcome.outputs)


def measure(way: str, store: str, n_workers: int, limit_s: float, sizes: list[str]) -> dict[str, Any] | str:
    """Measure one way in a fresh process; return what it found, or why it found nothing."""
    if way in OURS:
        workers = n_workers if OURS[way] < 0 else OURS[way]
        command = [sys.executable, "-m", "benchmarks.dispatch_ours", str(workers), store, *sizes]
    else:
        python = str(ENVIRONMENT / "bin" / "python") if way in PACKAGES else sys.executable
        command = [python, "-m", "benchmarks.dispatch_peers", way, store, str(n_workers), str(limit_s), *sizes]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    try:
        answer = subprocess.run(
            command,
            cwd=Path(store).parent,  # frameworks leave things where they are started
            env=environment,
            capture_output=True,
            text=True,
            timeout=PROCESS_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done in {PROCESS_LIMIT_S} s"
    lines = answer.stdout.strip().splitlines()
    if answer.returncode or not lines:
        return f"failed: {(answer.stderr.strip().splitlines() or ['no word'])[-1][:150]}"
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def tabulate(found: dict[str, Found], sizes: list[str], parts: list[str], caption: str) -> Table:
    """Return every repetition of every way."""
    columns = [Column(f"{int(size):,} no-ops", "ms each") for size in sizes]
    columns += [Column("start", "s")] if "start" in parts else []
    columns += [Column(f"{N_CHUNKS} chunks, first", "s"), Column("again", "s")] if "chunks" in parts else []
    rows: list[tuple[Cell, ...]] = []
    for way, one in found.items():
        cells: list[Cell] = [tuple(s * 1000 / int(size) for s in one.no_op_s.get(size, ())) for size in sizes]
        cells += [tuple(one.start_s)] if "start" in parts else []
        cells += [tuple(one.first_s), tuple(one.again_s)] if "chunks" in parts else []
        rows.append((name_way(way), *cells))
    by = "again" if "chunks" in parts else columns[0].name
    return Table(caption, tuple(columns), tuple(rows), label="way", base=name_way(next(iter(found))), by=by)


def name_way(way: str) -> str:
    """Return a way's name with its version."""
    pinned = PACKAGES.get(way, ("",))[0].partition("==")[2]
    return f"{way} ({pinned})" if pinned else way


def quote(found: dict[str, Found], sizes: list[str]) -> list[Figure]:
    """Return what is held to a target, each beside the standard library's pool."""
    ours, pool, serial = (found.get(way, Found()) for way in ("ours", POOL, "serial"))
    figures = []
    for size in sizes:
        mine, theirs = (tuple(s * 1000 / int(size) for s in one.no_op_s.get(size, ())) for one in (ours, pool))
        bound = NO_OP_MS if int(size) >= MANY else None
        what = f"a no-op with all bookkeeping, of {int(size):,}"
        figures.append(Figure(f"no-op-{size}", what, mine, "ms", POOL, theirs, at_most=bound, form="#.3g"))
    figures.append(Figure("start", "the first task done", tuple(ours.start_s), "s", POOL, tuple(pool.start_s),
                          at_most=START_S))  # fmt: skip
    for name, taken, by_pool in (("first", ours.first_s, pool.first_s), ("again", ours.again_s, pool.again_s)):
        if taken and serial.again_s:
            per_core = statistics.median(serial.again_s) / count_cores()
            values, of_pool = (tuple(value / per_core for value in each) for each in (taken, by_pool))
            what = f"{N_CHUNKS} chunks over the serial time for each core, {name}"
            figures.append(Figure(f"chunks-{name}", what, values, "×", POOL, of_pool, at_most=CHUNKS_RATIO))
        if taken and by_pool:
            values = tuple(value / statistics.median(by_pool) for value in taken)
            what = f"{N_CHUNKS} chunks over the time of a bare pool, {name}"
            figures.append(Figure(f"pool-{name}", what, values, "×", at_most=CHUNKS_RATIO))
    return [figure for figure in figures if figure.ours]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="one round, 117 no-ops, 12 chunks")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--ways", nargs="+", default=[""], help="only ways with one of these words in their name")
    parser.add_argument("--workers", type=int, default=count_cores())
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that one cell may be expected to take")
    add_out(parser)
    given = parser.parse_args()
    recording = begin("dispatch", given.out)
    rounds = 1 if given.short else given.rounds
    sizes = [str(size) for size in SIZES[: 1 if given.short else None]] if "no-ops" in given.only else []
    n_chunks = 12 if given.short else N_CHUNKS
    every = [*OURS, *WAYS]
    ways = [way for way in every if any(word.lower() in way.lower() for word in given.ways)]
    missing = prepare(ways)
    found = {way: Found(why_not=missing.get(way, missing.get("", "") if way in PACKAGES else "")) for way in ways}
    with tempfile.TemporaryDirectory(prefix="dispatch-") as folder:
        store = LocalStore(Path(folder) / "store")
        size = write_chunks(store, n_chunks) if "chunks" in given.only else 0
        for number in range(rounds):
            for way, one in found.items():
                if one.why_not or one.round_s > ONCE_S:
                    continue
                begun = time.monotonic()
                answer = measure(way, store.uri, given.workers, given.limit, sizes)
                one.round_s = max(one.round_s, time.monotonic() - begun)
                print(f"round {number + 1}, {way}: {answer}", file=sys.stderr)
                if isinstance(answer, str):
                    one.why_not = answer
                else:
                    one.take(answer)
    chunks = f"; {n_chunks} chunks of {size / max(n_chunks, 1) / 1e6:.1f} MB" if size else ""
    caption = f"{given.workers} workers, {rounds} interleaved rounds{chunks}; – would take longer than the limit."
    for way, one in found.items():
        if one.why_not:
            print(f"{way} is left out: {one.why_not}", file=sys.stderr)
    packages = sorted({package for way in ways for package in PACKAGES.get(way, ())})
    table = tabulate(found, sizes, given.only, caption)
    recording.save("Dispatching tasks on one machine, beside seven frameworks", [table], quote(found, sizes), packages)


if __name__ == "__main__":
    main()
