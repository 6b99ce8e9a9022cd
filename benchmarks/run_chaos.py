"""A run through all that goes wrong: a fault in one call of twenty, and a coordinator killed five times.

    python -m benchmarks.run_chaos [--n 1000] [--kills 5] [--share 0.05] [--delay 1] [--at-once 12]
    python -m benchmarks.run_chaos --executor local [--n 1000] [--kills 5] [--deaths 10] [--problems 48] [--large 1000]

The coordinator is the command line itself, `run-stage heartbeat --executor lambda`, a process that is ended by
`kill -9` and started again. Lambda is a stub on the loopback address that runs the real handler, in processes of its
own as environments, one task at a time in each, over a store that moto serves over HTTP. A call has one of these
faults, by a seed: throttled; Lambda's own 500; the process dies before it does anything, or by `kill -9` once it has
written its output; it hangs until its timeout; the answer is lost; it takes six times as long. Shown are the wall time
beside that of an undisturbed run over as many chunks, what was done again, and LIST requests; the result is compared
with that of the same chunks counted in one process, and each output with its bytes.

With `--executor local` the store is a folder, and what goes wrong is that worker processes are killed, one after the
other, and the coordinator as above. Three runs are compared with themselves undisturbed: the command as it is, which
computes tasks of that kind itself; the same with two workers, so that there is somebody to kill; and the command as it
is over `--large` chunks of 4.5 MB (40 of them, each under many names), where the work is several times as long.
"""

import argparse
import base64
import contextlib
import json
import multiprocessing
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.fan_out import wait_for
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table, middle

FAULTS = ("throttle", "service", "crash", "crash after", "hang", "lost", "slow")
SLOW, TIMEOUT = 6.0, 8.0
"""Times the task's own duration."""
BUCKET, FUNCTION, REDUCE = "chaos", "mycelium-heartbeat", "mycelium-reduce"
REPORT = "REPORT RequestId: 1\tDuration: 1 ms\tBilled Duration: 2 ms\tMemory Size: 1769 MB\tMax Memory Used: 150 MB\t\n"
RATIO = 1.3
"""What a run through all that is to take, over the same run undisturbed."""

MOST_S = 540.0
"""Nothing here takes longer."""
N_LARGE = 40
"""Large chunks that differ; more of them would fill the disk."""

NAMES = {"small chunks": "", "small chunks, two workers": "two-", "chunks of 4.5 MB": "large-"}
"""What each comparison is called in the record, in front of its figures' names."""

Make = Callable[[str, int, str], tuple[dict[str, bytes], Any]]
"""Writes so many chunks of a run to a store, and returns the outputs and the result that one process makes of them."""


def be_store(folder: Path) -> None:
    """Be S3 and SSM, until killed; count the listings by what they list."""
    from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415 - only in that process
    from werkzeug.serving import make_server  # noqa: PLC0415

    app, lists, lock = DomainDispatcherApplication(create_backend_app), Counter[str](), threading.Lock()

    def serve(environ: dict[str, Any], start: Any) -> Any:
        if environ["PATH_INFO"] == "/lists":
            start("200 OK", [("Content-Type", "application/json")])
            told = json.dumps(lists).encode()
            lists.clear()
            return [told]
        if "list-type=2" in environ["QUERY_STRING"]:
            wanted = [part for part in environ["QUERY_STRING"].split("&") if part.startswith("prefix=")]
            lists[wanted[0].removeprefix("prefix=").partition("%2F")[0] if wanted else ""] += 1
        with lock:  # a conditional put is one step on S3; moto looks, and then writes
            return app(environ, start)

    server = make_server("127.0.0.1", 0, serve, threaded=True)
    (folder / "port.new").write_text(str(server.server_port))
    (folder / "port.new").rename(folder / "port")
    server.serve_forever()


def be_environment(pipe: Connection) -> None:
    """Be one environment: a task at a time, by the real handler."""
    from lambdas import handler  # noqa: PLC0415 - as a function does

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # its log, which the platform would take
    while True:
        event, delay_s, fault = pipe.recv()
        if fault == "crash":
            os._exit(1)
        time.sleep(delay_s)
        answer = handler.handle_task(event, None) if "task" in event else handler.handle_reduce(event, None)
        if fault == "crash after":
            os.kill(os.getpid(), signal.SIGKILL)
        pipe.send(json.dumps(answer).encode())


@dataclass
class Platform:
    """Lambda: environments, their faults, and what became of every call.

    Attributes:
        delay_s: how long a task takes beside its work.
        share: calls that have a fault.
        seed: which.
        calls: how often each chunk was called.
        faults: calls by their fault.
        finished: chunks whose handler has returned.
        safe: those of them when the coordinator was last killed.
        again: calls for a chunk that was safe.
        cut_off: calls for a chunk that was in flight when the coordinator was killed.
    """

    delay_s: float
    share: float = 0.0
    seed: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    finished: set[str] = field(default_factory=set)
    safe: set[str] = field(default_factory=set)
    in_flight: Counter[str] = field(default_factory=Counter)
    cut: set[str] = field(default_factory=set)
    again: int = 0
    cut_off: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    idle: "queue.SimpleQueue[tuple[Any, Connection]]" = field(default_factory=queue.SimpleQueue)
    started: list[Any] = field(default_factory=list)

    def begin(self, share: float, seed: int) -> None:
        """Begin another run."""
        self.share, self.seed, self.again, self.cut_off = share, seed, 0, 0
        for each in (self.calls, self.faults, self.finished, self.safe, self.in_flight, self.cut):
            each.clear()

    def coordinator_killed(self) -> None:
        """Remember what is safe now, and what is in flight."""
        with self.lock:
            self.safe = set(self.finished)
            self.cut = {chunk for chunk, n in self.in_flight.items() if n} - self.safe

    def invoke(self, event: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
        """Answer one Invoke; None for an answer that is lost."""
        chunk = event["task"]["chunk_id"] if "task" in event else "reduce"
        with self.lock:
            self.calls[chunk] += 1
            draw = random.Random(f"{self.seed} {chunk} {self.calls[chunk]}")
            fault = draw.choice(FAULTS) if draw.random() < self.share else ""
            self.faults[fault] += 1
            self.again += chunk in self.safe
            self.cut_off += chunk in self.cut
        if fault in {"throttle", "service"}:
            status, name = (429, "TooManyRequestsException") if fault == "throttle" else (500, "ServiceException")
            return status, {"x-amzn-ErrorType": name}, b'{"Message": "no"}'
        with self.lock:
            self.in_flight[chunk] += 1
        try:
            body = self._run(event, fault)
        except EOFError:
            return fail("Runtime.ExitError", "Runtime exited with error: exit status 1")
        except TimeoutError:
            return fail("Sandbox.Timedout", f"Task timed out after {TIMEOUT * self.delay_s:.2f} seconds")
        finally:
            with self.lock:
                self.in_flight[chunk] -= 1
        with self.lock:
            self.finished.add(chunk)
        return None if fault == "lost" else (200, tail(), body)

    def _run(self, event: dict[str, Any], fault: str) -> bytes:
        process, pipe = self.idle.get_nowait() if not self.idle.empty() else self._start()
        delay_s = self.delay_s * {"slow": SLOW, "hang": 10 * TIMEOUT}.get(fault, 1.0)
        try:
            pipe.send((event, delay_s, fault))
            if not pipe.poll(TIMEOUT * self.delay_s + (60.0 if fault != "hang" else 0.0)):
                raise TimeoutError
            answer: bytes = pipe.recv()
        except (EOFError, OSError) as error:
            process.kill()
            process.join()
            raise error if isinstance(error, TimeoutError) else EOFError from error
        self.idle.put((process, pipe))
        return answer

    def _start(self) -> tuple[Any, Connection]:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=be_environment, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self.started.append(process)
        return process, ours


def fail(name: str, said: str) -> tuple[int, dict[str, str], bytes]:
    """Return how a function fails."""
    return (
        200,
        {"X-Amz-Function-Error": "Unhandled", **tail()},
        json.dumps({"errorType": name, "errorMessage": said}).encode(),
    )


def tail() -> dict[str, str]:
    """Return the platform's report."""
    return {"X-Amz-Log-Result": base64.b64encode(REPORT.encode()).decode()}


@contextmanager
def serve_platform(platform: Platform) -> Iterator[str]:
    """Serve Lambda until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer = platform.invoke(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's name for it
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 256

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a killed coordinator takes no answer

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        for process in platform.started:
            process.kill()


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one run: its wall time, restarts that nobody forced, what it said, and LIST requests."""

    wall_s: float
    restarts: int
    summary: dict[str, Any]
    lists: Counter[str]
    started_s: tuple[float, ...]


def coordinate(platform: Platform, n: int, kills: int, at_once: int, run: str) -> Told:
    """Run the command to its end, and kill it on the way."""
    words = ["run-stage", "heartbeat", "--input", f"iaf/{run}", "--executor", "lambda", "--quiet", "--json"]
    command = [sys.executable, "-m", "coordinator", *words, "--max-concurrency", str(at_once)]
    take_lists()
    start, first = time.perf_counter(), []
    for kill in range(1, kills + 1):
        before, begun = platform.calls.total(), time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while platform.calls.total() == before and process.poll() is None:
                time.sleep(0.01)
            first.append(time.perf_counter() - begun)
            while len(platform.finished) < n * kill / (kills + 1) and process.poll() is None:
                assert time.perf_counter() - start < MOST_S, "it takes too long"
                time.sleep(0.01)
            platform.coordinator_killed()
            process.kill()
    restarts = 0
    told = subprocess.run(command, capture_output=True, check=False, timeout=MOST_S)
    while told.returncode == 1 and restarts < 3:  # a chunk met so many faults that it failed
        restarts += 1
        told = subprocess.run(command, capture_output=True, check=False, timeout=MOST_S)
    assert told.returncode == 0, told.stderr.decode()
    return Told(time.perf_counter() - start, restarts, json.loads(told.stdout), take_lists(), tuple(first))


def take_lists() -> Counter[str]:
    """Return how often what was listed since the last time."""
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/lists", timeout=60) as answer:  # noqa: S310 - ours
        return Counter(json.load(answer))


def make_chunks(uri: str, n: int, run: str, seed: int, problems: int = 3) -> tuple[dict[str, bytes], Any]:
    """Write chunks of iaf, and return the outputs and the result that one process makes of them."""
    from lambdas.stages.heartbeat import STAGE, HeartbeatParams  # noqa: PLC0415
    from mycelium.plan import plan_run  # noqa: PLC0415
    from mycelium.run import run_plan  # noqa: PLC0415
    from mycelium.store import MemoryStore, open_store  # noqa: PLC0415
    from mycelium.task import run_task  # noqa: PLC0415
    from tests.builders import build_run, make_iaf  # noqa: PLC0415

    store, target = MemoryStore(), open_store(uri)
    sizes = tuple(random.Random(seed).choices((30, 5, 12, 300), k=problems))
    built = build_run(store, [make_iaf(sizes, seed=seed + i) for i in range(n)], run_id=run)
    for info in store.list():
        target.put(info.key, store.get(info.key), mode="overwrite")

    class Here:
        name = "here"

        def run(self, tasks: Any, source_uri: str, target_uri: str) -> Any:
            del source_uri, target_uri
            return (run_task(task, STAGE, HeartbeatParams(), store, store) for task in tasks)

    plan = plan_run(store, store, STAGE, HeartbeatParams(), [built.manifest])
    result = run_plan(store, plan, Here(), quiet=True).result
    return {info.key: store.get(info.key) for info in store.list(f"heartbeats/{plan.run_id}/")}, result


def check(uri: str, summary: dict[str, Any], outputs: dict[str, bytes], result: Any, n: int) -> None:
    """Hold a run to what one process made of the same chunks."""
    from mycelium.store import open_store  # noqa: PLC0415

    store = open_store(uri)
    written = {info.key: store.get(info.key) for info in store.list(f"heartbeats/{summary['run']}/")}
    assert (summary["complete"], summary["chunks"], len(outputs)) == (True, n, n)
    assert written == outputs, "every output, once, with its bytes"
    assert summary["result"] == result, "every chunk counts once"


def publish() -> None:
    """Make the bucket, and publish what a deployment publishes."""
    import boto3  # noqa: PLC0415

    from mycelium.deployment import (  # noqa: PLC0415
        bucket_parameter,
        function_parameter,
        reduce_parameter,
        state_machine_parameter,
        version_parameter,
    )
    from mycelium.version import code_version  # noqa: PLC0415

    boto3.client("s3").create_bucket(Bucket=BUCKET)
    for name, value in {
        bucket_parameter("mycelium"): BUCKET,
        version_parameter("mycelium"): code_version(),
        function_parameter("mycelium", "heartbeat"): FUNCTION,
        reduce_parameter("mycelium"): REDUCE,
        state_machine_parameter("mycelium"): "arn:aws:states:us-east-1:123456789012:stateMachine:none",
    }.items():
        boto3.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


UNDISTURBED, DISTURBED = "undisturbed", "disturbed"


def compare(platform: Platform, n: int, kills: int, share: float, at_once: int) -> tuple[Table, list[Figure]]:
    """Run undisturbed, then disturbed; return both side by side."""
    found: dict[str, dict[str, Cell]] = {}
    for name, faults, times in ((UNDISTURBED, 0.0, 0), (DISTURBED, share, kills)):
        run = f"gsm8k-{'ab'[times > 0] * 12}"
        outputs, result = make_chunks(f"s3://{BUCKET}", n, run, seed=100_000 * times)
        platform.begin(faults, seed=1)
        told = coordinate(platform, n, times, at_once, run)
        check(f"s3://{BUCKET}", told.summary, outputs, result, n)
        had = ", ".join(f"{count} {fault}" for fault, count in sorted(platform.faults.items()) if fault)
        found[name] = {
            "time, s": told.wall_s,
            "chunks done, as one process makes them": n,
            "coordinators killed": times,
            "restarts beyond the kills": told.restarts,
            "calls": platform.calls.total(),
            "faults": had or "none",
            "finished chunks called again after a kill": platform.again,
            "in flight at a kill": platform.cut_off,
            "from a start to its first call, s": tuple(told.started_s) or None,
            "LIST requests": ", ".join(f"{count} {what}" for what, count in dict(told.lists).items()),
            "backups in the last coordinator": str(told.summary["notes"] or "none"),
        }
    return tabulate(found, f"{n:,} chunks, {share:.0%} of calls with a fault, {kills} coordinators killed.", n)


def tabulate(found: dict[str, dict[str, Cell]], caption: str, n: int) -> tuple[Table, list[Figure]]:
    """Return what was counted of both runs, and the time of the one over that of the other."""
    rows = tuple((what, *(found[name][what] for name in found)) for what in found[UNDISTURBED])
    ratio = (middle(found[DISTURBED]["time, s"]) or 0) / (middle(found[UNDISTURBED]["time, s"]) or 1)
    figures = [
        Figure(
            "ratio", "time of the disturbed run over that of an undisturbed one", ratio, "×", at_most=RATIO, form=".2f"
        ),
        Figure("done", f"chunks of {n:,} that are done, byte for byte", n, at_least=n),
    ]
    again = found[DISTURBED].get("finished chunks called again after a kill")
    if again is not None:
        figures.append(Figure("again", "finished chunks that were called again", again, at_most=0))
        figures.append(Figure("calls", f"calls for {n:,} chunks", found[DISTURBED]["calls"]))
    return Table(caption, tuple(map(Column, found)), rows), figures


def find_workers(pid: int) -> list[int]:
    """Return the worker processes of a coordinator: what its nursery has forked."""

    def children(of: int) -> list[int]:
        try:
            lists = [path.read_text() for path in Path(f"/proc/{of}/task").glob("*/children")]
        except OSError:  # it has ended
            return []
        return [int(child) for each in lists for child in each.split()]

    return [worker for child in children(pid) for worker in children(child)]


def coordinate_here(
    folder: Path, n: int, kills: int, deaths: int, words: Sequence[str]
) -> tuple[float, dict[str, Any], int, int]:
    """Run the command over a folder to its end.

    Returns:
        Its wall time, what it said, how many workers were killed, and how many chunks were there at the last kill.
    """
    words = ["run-stage", "heartbeat", "--store", str(folder), "--quiet", "--json", *words]
    command = [sys.executable, "-m", "coordinator", *words]
    draw, killed, left, written, before = random.Random(1), 0, kills, 0, 0
    start = time.perf_counter()
    while True:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None:
                assert time.perf_counter() - start < MOST_S, "it takes too long"
                written = sum(1 for _ in folder.glob("heartbeats/*/*.parquet"))
                if left and written >= n * (kills - left + 1) / (kills + 1):
                    process.kill()
                    left, before = left - 1, written
                elif killed < deaths and written >= n * (killed + 1) / (deaths + 1):
                    workers = find_workers(process.pid)
                    if workers:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(draw.choice(workers), signal.SIGKILL)
                            killed += 1
                time.sleep(0.005)
            out, err = process.communicate()
        if process.returncode == 0:
            return time.perf_counter() - start, json.loads(out), killed, before
        assert process.returncode in {1, -signal.SIGKILL}, err


def make_large_chunks(uri: str, n: int, run: str) -> tuple[dict[str, bytes], Any]:
    """Write chunks of 4.5 MB, of which many are the same bytes in one file; return what one process makes of them."""
    from benchmarks import dispatch  # noqa: PLC0415
    from lambdas.stages.heartbeat import STAGE, HeartbeatParams  # noqa: PLC0415
    from mycelium.manifest import read_manifest, write_manifest  # noqa: PLC0415
    from mycelium.plan import plan_run  # noqa: PLC0415
    from mycelium.reduce import reduce_encoded  # noqa: PLC0415
    from mycelium.store import LocalStore, MemoryStore  # noqa: PLC0415
    from mycelium.task import decode_part, run_task  # noqa: PLC0415

    store, target = LocalStore(uri), MemoryStore()
    dispatch.write_chunks(store, min(n, N_LARGE))
    made = read_manifest(store, "iaf", dispatch.RUN)
    outcomes = []
    for i in range(n):
        (ref,) = made.outcomes[i % N_LARGE].outputs
        key = f"iaf/{run}/{i:05d}.parquet"
        (Path(uri) / key).parent.mkdir(exist_ok=True)
        (Path(uri) / key).hardlink_to(Path(uri) / ref.key)
        outcomes.append(replace(made.outcomes[0], chunk_id=f"{i:05d}", outputs=(replace(ref, key=key),)))
    source = replace(made, run_id=run, outcomes=tuple(outcomes), n_chunks=n)
    write_manifest(store, source, STAGE.reads)
    plan = plan_run(store, target, STAGE, HeartbeatParams(), [source])
    parts = []
    for task in plan.tasks:
        done = run_task(task, STAGE, HeartbeatParams(), store, target)
        assert done.part is not None, done.outcome.error
        parts.append(done.part)
    total = decode_part(reduce_encoded(STAGE, parts))
    outputs = {info.key: target.get(info.key) for info in target.list(f"heartbeats/{plan.run_id}/")}
    return outputs, STAGE.conclude(total, HeartbeatParams())


def compare_here(
    title: str, make: Make, n: int, kills: int, deaths: int, words: Sequence[str] = ()
) -> tuple[Table, list[Figure]]:
    """Run over a folder, undisturbed and disturbed; return both side by side."""
    from mycelium.manifest import read_manifest  # noqa: PLC0415
    from mycelium.store import LocalStore  # noqa: PLC0415

    counted: dict[str, dict[str, Cell]] = {}
    run = "gsm8k-" + "a" * 12
    for name, times, dead in ((UNDISTURBED, 0, 0), (DISTURBED, kills, deaths)):
        with tempfile.TemporaryDirectory() as made:
            outputs, result = make(made, n, run)
            asked = ("--input", f"iaf/{run}", *words)
            wall_s, summary, killed, before = coordinate_here(Path(made), n, times, dead, asked)
            check(made, summary, outputs, result, n)
            found = Counter(o.status for o in read_manifest(LocalStore(made), "heartbeats", summary["run"]).outcomes)
            assert found["found"] >= before, "what was there is not done again"
        counted[name] = {
            "time, s": wall_s,
            "chunks done, as one process makes them": n,
            "coordinators killed": times,
            "workers killed": killed,
            "chunks that were there at the last kill": before,
            "chunks in the last coordinator": ", ".join(f"{count} {status}" for status, count in found.items()),
        }
    killed_words = f"{kills} coordinators" + (f" and {deaths} workers" if deaths else "")
    table, figures = tabulate(counted, f"{n:,} {title}; {killed_words} killed.", n)
    figures = [
        replace(figure, name=f"{NAMES[title]}{figure.name}", what=f"{title}: {figure.what}") for figure in figures
    ]
    return replace(table, name=title.replace(" ", "-").replace(",", "")), figures


def main() -> None:
    """Serve, compare and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--delay", type=float, default=1.0)
    parser.add_argument("--at-once", type=int, default=12)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--executor", choices=["lambda", "local"], default="lambda")
    parser.add_argument("--deaths", type=int, default=10)
    parser.add_argument("--problems", type=int, default=48)
    add_out(parser)
    parser.add_argument("--large", type=int, default=1000, help="chunks of 4.5 MB; 0 for none")
    asked = parser.parse_args()
    if asked.store:
        be_store(asked.store)
        return
    if asked.executor == "local":
        recording = begin("run-chaos-local", asked.out)
        small = partial(make_chunks, seed=1, problems=asked.problems)
        found = [
            compare_here("small chunks", small, asked.n, asked.kills, 0),
            compare_here(
                "small chunks, two workers", small, asked.n, asked.kills, asked.deaths, ("--max-workers", "2")
            ),
        ]
        if asked.large:
            found.append(compare_here("chunks of 4.5 MB", make_large_chunks, asked.large, asked.kills, 0))
        recording.save(
            "A run whose workers and coordinator are killed",
            [table for table, _ in found],
            [figure for _, figures in found for figure in figures],
        )
        return
    recording = begin("run-chaos", asked.out)
    multiprocessing.get_context("forkserver").set_forkserver_preload(["lambdas.handler", "lambdas.stages.heartbeat"])
    with tempfile.TemporaryDirectory() as made:
        me = [sys.executable, "-m", "benchmarks.run_chaos", "--store", made]
        with subprocess.Popen(me, stderr=subprocess.DEVNULL) as store:
            try:
                wait_for(Path(made) / "port")
                port = (Path(made) / "port").read_text()
                keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
                os.environ.update(keys, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
                platform = Platform(asked.delay)
                with serve_platform(platform) as url:
                    os.environ["AWS_ENDPOINT_URL_LAMBDA"] = url
                    publish()
                    table, figures = compare(platform, asked.n, asked.kills, asked.share, asked.at_once)
            finally:
                store.kill()
    recording.save("A run through all that goes wrong", [table], figures)


if __name__ == "__main__":
    main()
