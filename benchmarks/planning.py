"""Plan runs of 10^4 to 10^6 chunks that a store really holds, beside the naive way.

    python -m benchmarks.planning [--chunks 10000 100000 1000000] [--latency 0 0.05] [--naive-up-to 1000000]

A folder holds as many empty files as there are chunks; the S3 stub answers real HTTP on the loopback address with pages
of 1,000 keys, which boto3 asks for and reads. Half of the outputs are there already, as after an interruption. Each way
runs in a fresh process, and reads the input's manifest, lists inputs and outputs, and says what is missing. What is
measured is what a process took altogether: time, processor time, the most memory resident, requests.

The naive way is what one writes first: the manifest as one JSON object, both listings in dictionaries, page after page.

Then the record of a run: outcomes of tasks that did nothing, held as a list and packed, and written as a manifest.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.datasets import IAF
from mycelium.manifest import IN_ONE, Manifest, ObjectRef, Outcome, put_manifest, read_manifest
from mycelium.packed import Packed
from mycelium.plan import plan_run
from mycelium.schema import Provenance, chunk_key
from mycelium.store import LocalStore, S3Store, Store, open_store

RUN_ID = "gsm8k-aaaaaaaaaaaa"
OF = Provenance("gsm8k", "GSM8K", "teacher@0123456789ab")
EMPTY = hashlib.sha256(b"").hexdigest()
ME = "benchmarks.planning"
MODIFIED = "2026-11-20T00:00:00.000Z"


def make_outcomes(n: int) -> Iterator[Outcome]:
    """Yield the outcomes of a run over n chunks, with digests and times that no compression takes away."""
    for i in range(n):
        sha256 = hashlib.sha256(b"%d" % i).hexdigest()
        noise = int(sha256[:8], 16) / (1 << 32)
        chunk_id = f"{i:06d}"
        yield Outcome(
            chunk_id,
            "done",
            (ObjectRef(IAF.name, chunk_key(IAF, RUN_ID, chunk_id), 0, sha256),),
            n_input=700_000 + i % 997,
            n_output=1000 + i % 89,
            n_problems=40,
            bytes_read=4_000_000 + i % 7919,
            started_s=1_763_650_000 + i / 1000 + noise,
            wall_s=0.3 + noise,
            peak_mb=150 + 100 * noise,
        )


def make_manifest(n: int) -> Manifest:
    """Return the manifest of a run over n chunks."""
    return Manifest(
        run_id=RUN_ID,
        provenance=OF,
        stage="extract",
        stage_version=1,
        params={},
        commit="benchmark",
        executor="benchmark",
        inputs=(),
        finished_s=1.0,
        wall_s=1.0,
        complete=True,
        n_chunks=n,
        outcomes=Packed(Outcome, make_outcomes(n)),
    )


def fill_folder(folder: Path, n: int, *, naive: bool) -> str:
    """Make a store of n inputs and their manifest, and half of the outputs; return the output run."""
    store = LocalStore(folder)
    put_manifest(store, make_manifest(n), IAF.name)
    if naive:
        store.put("naive.json", msgspec.json.encode(_Plain(list(make_outcomes(n)))))
    _touch(folder / IAF.name / RUN_ID, range(n))
    run_id = plan_run(store, store, STAGE, HeartbeatParams(), [read_manifest(store, IAF.name, RUN_ID)]).run_id
    _touch(folder / STAGE.writes[-1].name / run_id, range(0, n, 2))
    return run_id


class _Plain(msgspec.Struct):
    """A manifest as one object."""

    outcomes: list[Outcome]


def _touch(folder: Path, numbers: range) -> None:
    folder.mkdir(parents=True)
    at = os.open(folder, os.O_RDONLY)
    try:
        for i in numbers:
            os.close(os.open(f"{i:06d}.parquet", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
    finally:
        os.close(at)


class Stub(ThreadingHTTPServer):
    """An S3 that holds a folder's manifests, and as many keys as its files, by arithmetic."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, folder: Path, n_of: dict[str, tuple[int, int]], latency_s: float, answer: "type[Answer] | None" = None
    ) -> None:
        """Take the folder, how many numbers and each so-manieth are listed below a prefix, and a page's latency."""
        super().__init__(("127.0.0.1", 0), answer or Answer)
        self.folder, self.latency_s, self.n_of = folder, latency_s, n_of
        self.n_listed = 0

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be told to use it."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
        return {"AWS_ENDPOINT_URL": url, **credentials}


class Answer(BaseHTTPRequestHandler):
    """Answers one connection of the stub."""

    protocol_version = "HTTP/1.1"
    server: Stub

    def do_GET(self) -> None:
        """Answer how many listings there were, a page of one, or a file; one that is not there is not found."""
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/requests":
            self.send(str(self.server.n_listed).encode())
        elif "list-type" in asked:
            self.server.n_listed += 1
            time.sleep(self.server.latency_s)
            self.send(self._page(asked).encode())
        else:
            path = self.server.folder / url.path.partition("/bench/")[2]
            if path.exists():
                self.send(path.read_bytes())
            else:
                self.send(b"<Error><Code>NoSuchKey</Code></Error>", 404)

    def find_keys(self, prefix: str) -> tuple[int, int]:
        """Return up to which number keys are listed below a prefix, and each so-manieth of them."""
        return self.server.n_of[prefix]

    def _page(self, asked: dict[str, str]) -> str:
        prefix, n_keys = asked["prefix"], int(asked.get("max-keys", "1000"))
        n, step = self.find_keys(prefix)
        after = asked.get("continuation-token") or asked.get("start-after", "")[len(prefix) : -len(".parquet")]
        first = int(after) // step * step + step if after else 0
        numbers = range(first, min(n, first + n_keys * step), step)
        more = bool(numbers) and numbers[-1] + step < n
        rows = "".join(
            f"<Contents><Key>{prefix}{i:06d}.parquet</Key><LastModified>{MODIFIED}</LastModified>"
            f"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>0</Size>"
            f"<StorageClass>STANDARD</StorageClass></Contents>"
            for i in numbers
        )
        token = f"<NextContinuationToken>{numbers[-1]:06d}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bench</Name><Prefix>{prefix}</Prefix><KeyCount>{len(numbers)}</KeyCount><MaxKeys>{n_keys}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}"
            "</ListBucketResult>"
        )

    def send(self, data: bytes, status: int = 200, **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def plan_ours(uri: str) -> int:
    """Plan a run as the coordinator does; return the tasks that are left to do."""
    store = open_store(uri)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [read_manifest(store, IAF.name, RUN_ID)])
    return len(plan.tasks) - plan.n_found


def plan_naively(uri: str) -> int:
    """Do the same with one JSON object and dictionaries."""
    store = open_store(uri)
    outcomes = msgspec.json.decode(store.get("naive.json"), type=_Plain).outcomes
    refs = {outcome.chunk_id: ref for outcome in outcomes for ref in outcome.outputs}
    decides = msgspec.json.encode([[chunk_id, ref.sha256] for chunk_id, ref in sorted(refs.items())])
    assert hashlib.sha256(decides).hexdigest()
    run_id = os.environ["BENCH_RUN"]
    listed = dict(_list_naively(store, f"{IAF.name}/{RUN_ID}/"))
    written = {key for key, _ in _list_naively(store, f"{STAGE.writes[-1].name}/{run_id}/")}
    tasks = [
        (chunk_id, ref)
        for chunk_id, ref in refs.items()
        if listed.get(ref.key) == ref.size and chunk_key(STAGE.writes[-1], run_id, chunk_id) not in written
    ]
    return len(tasks)


def _list_naively(store: Store, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(store, S3Store):
        import boto3  # noqa: PLC0415 - as the store does

        for page in boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="bench", Prefix=prefix):
            yield from ((item["Key"], item["Size"]) for item in page.get("Contents", ()))
        return
    folder = Path(store.uri) / prefix
    for path in sorted(folder.iterdir()):
        yield prefix + path.name, path.stat().st_size


def hold_as_list(n: int) -> object:
    """Hold the outcomes of a run as objects."""
    return list(make_outcomes(n))


def hold_packed(n: int) -> object:
    """Hold them packed."""
    return Packed(Outcome, make_outcomes(n), order=lambda outcome: outcome.chunk_id)


WAYS: dict[str, Callable[[str], object]] = {"ours": plan_ours, "naive": plan_naively}
HOLDS: dict[str, Callable[[int], object]] = {"a list": hold_as_list, "packed": hold_packed}


def measure(work: Callable[[], object]) -> None:
    """Do one thing, and print what it took."""
    loaded, start, cpu = _peak_mb(), time.perf_counter(), time.process_time()
    found = work()
    took = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    n_left = found if isinstance(found, int) else None
    print(json.dumps({**took, "peak": _peak_mb(), "loaded": loaded, "n_left": n_left}))


def _peak_mb() -> float:
    """Return the most that this process had resident; `getrusage` would say what its parent had, if that was more."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def ask(module: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """Let a fresh process measure something; return what it printed."""
    me = [sys.executable, "-m", module, *arguments]
    told = subprocess.run(me, stdout=subprocess.PIPE, check=True, env={**os.environ, **environment})
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


Row = tuple[Cell, ...]


def make_row(where: str, n: int, way: str, found: dict[str, Any], requests: int | None) -> Row:
    """Return one row, and show it."""
    row = (f"{where}, {way}", n, found["wall_s"], found["cpu_s"], found["peak"], found["loaded"], requests)
    print(*row, f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return row


def quote(rows: list[Row]) -> list[Figure]:
    """Return what is asked of the largest run, each beside the naive way where that was waited for."""
    n = max(row[1] for row in rows if isinstance(row[1], int))
    by = {str(row[0]): row for row in rows if row[1] == n}
    figures: list[Figure] = []
    for name, row in by.items():
        where, _, way = name.rpartition(", ")
        if way != "ours":
            continue
        naive = by.get(f"{where}, naive")
        for key, j, unit, bound in (("time", 2, "s", 10.0), ("cpu", 3, "s", None), ("memory", 4, "MB", 500.0)):
            what = f"planning {n:,} chunks, {where}, {key if key != 'cpu' else 'of a processor'}"
            peer, theirs = ("the naive way", naive[j]) if naive else ("", None)
            place = where.partition(",")[0].replace(" ", "-")
            figures.append(Figure(f"{place}-{key}-{len(figures)}", what, row[j], unit, peer, theirs, bound))
    return figures


def compare_plans(n: int, latencies_s: list[float], naive_up_to: int) -> list[Row]:
    """Measure both ways on a folder and on the stub; return a row of each."""
    import threading  # noqa: PLC0415 - the parts that are measured have none
    from urllib.request import urlopen  # noqa: PLC0415

    ways = [way for way in WAYS if way == "ours" or n <= naive_up_to]
    rows: list[Row] = []
    folder = Path(tempfile.mkdtemp(prefix="planning-"))
    try:
        run_id = fill_folder(folder, n, naive=len(ways) > 1)
        answers = set()
        for way in ways:
            found = ask(ME, "--part", way, str(folder), BENCH_RUN=run_id)
            answers.add(found["n_left"])
            rows.append(make_row("folder", n, way, found, None))
        for latency_s in latencies_s:
            for way in ways:
                n_of = {f"{IAF.name}/{RUN_ID}/": (n, 1), f"{STAGE.writes[-1].name}/{run_id}/": (n, 2)}
                with Stub(folder, n_of, latency_s) as stub:
                    threading.Thread(target=stub.serve_forever, daemon=True).start()
                    url = stub.environment["AWS_ENDPOINT_URL"]
                    found = ask(ME, "--part", way, "s3://bench", BENCH_RUN=run_id, **stub.environment)
                    answers.add(found["n_left"])
                    with urlopen(f"{url}/requests") as answer:  # noqa: S310 - our own stub
                        where = f"S3 stub, {latency_s * 1000:.0f} ms a page"
                        rows.append(make_row(where, n, way, found, int(answer.read())))
                    stub.shutdown()
        if answers != {n - len(range(0, n, 2))}:
            raise AssertionError(f"the ways disagree on what is left to do: {answers}")
    finally:
        shutil.rmtree(folder)
    return rows


def main() -> None:
    """Measure each number of chunks in turn, and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument(
        "--latency", type=float, nargs="*", default=[0.0, 0.05], help="seconds that S3 takes for a page"
    )
    parser.add_argument("--naive-up-to", type=int, default=1_000_000)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--hold", nargs=2, help=argparse.SUPPRESS)
    add_out(parser)
    asked = parser.parse_args()
    if asked.part:
        measure(lambda: WAYS[asked.part[0]](asked.part[1]))
        return
    if asked.hold:
        measure(lambda: HOLDS[asked.hold[0]](int(asked.hold[1])))
        return
    recording = begin("planning", asked.out)
    rows = [row for n in asked.chunks for row in compare_plans(n, asked.latency, asked.naive_up_to)]
    columns = (
        *(Column("chunks"), Column("time", "s"), Column("of a processor", "s"), Column("peak", "MB", ".0f")),
        *(Column("of it loaded before", "MB", ".0f"), Column("LISTs")),
    )
    caption = f"Half of the outputs are there; manifests of more than {IN_ONE:,} stand in volumes."
    held: list[Row] = []
    for n in asked.chunks if asked.naive_up_to else ():
        for hold in HOLDS:
            found = ask(ME, "--hold", hold, str(n))
            each = (found["peak"] - found["loaded"]) * (1 << 20) / n
            held.append((hold, n, found["wall_s"], found["peak"], each))
    of_held = (
        Column("outcomes"),
        Column("making them", "s"),
        Column("peak", "MB", ".0f"),
        Column("each", "bytes", ".0f"),
    )
    tables = [Table(caption, columns, tuple(rows), "plans", "store and way")]
    if held:
        tables.append(Table("Outcomes in the coordinator's memory.", of_held, tuple(held), "outcomes", "held as"))
    recording.save("Planning runs of very many chunks, beside the naive way", tables, quote(rows))


if __name__ == "__main__":
    main()
