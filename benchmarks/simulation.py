"""Simulated runs beside measured ones: python -m benchmarks.simulation [--rounds 3].

Each run is measured first; then it is simulated from the times that its own tasks took, as they measured them, and from
a dispatch and a round trip that were measured in another run before it. What is compared is the wall time.

- `lambda`, over real sockets: the whole executor against a TLS stub of Lambda on the loopback address. The stub answers
  each invocation after a time of its own, log-normal about the median, and says in the answer how long it took.
- `local`: the real heartbeat over real chunks in worker processes, as many as there are cores.

A machine that is busy with other work stretches both; how busy it was is printed beside.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.fan_out import make_certificate
from benchmarks.heartbeat import write_run
from benchmarks.measure import describe_machine
from coordinator.executors.local import LocalExecutor, count_cores
from coordinator.simulate.events import simulate_again
from coordinator.simulate.limits import Limits
from coordinator.simulate.work import Work
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.manifest import Manifest, ObjectRef
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Provenance
from mycelium.store import LocalStore
from mycelium.task import Task

FREE = 1e9
"""A rate that bounds nothing."""

TARGET = 0.15

FIXED_S = 5.0
"""What a task takes while dispatch is measured: longer than all are sent, so that each has a connection of its own."""


def serve(folder: Path, median_s: float, sigma: float) -> None:
    """Be a Lambda that takes its time, until killed; an event may say that it is quick, or takes a fixed time."""
    rng = random.Random(1)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                size = sum(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
                event = await reader.readexactly(size)
                begun = time.perf_counter()
                if b'"fixed"' in event:
                    await asyncio.sleep(FIXED_S)
                elif b'"quick"' not in event:
                    await asyncio.sleep(rng.lognormvariate(0, sigma) * median_s)
                took = time.perf_counter() - begun
                chunk_id = json.loads(event)["task"]["chunk_id"]
                answer = json.dumps({"outcome": {"chunk_id": chunk_id, "status": "done", "wall_s": took}, "part": ""})
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        server = await asyncio.start_server(
            handle, "127.0.0.1", 0, ssl=context, backlog=4096, ssl_handshake_timeout=120.0
        )
        (folder / "port.new").write_text(str(server.sockets[0].getsockname()[1]))
        (folder / "port.new").rename(folder / "port")
        await server.serve_forever()

    asyncio.run(main())


def run_on_stub(folder: Path, n: int, at_once: int, note: str = "") -> tuple[float, list[float]]:
    """Run so many tasks through the Lambda executor; return the wall time and what each task says it took, in order."""
    from botocore.credentials import Credentials  # noqa: PLC0415 - only here

    from coordinator.executors.aws_lambda import LambdaExecutor  # noqa: PLC0415
    from coordinator.executors.fly import Flyer  # noqa: PLC0415
    from coordinator.executors.invoke import Endpoint  # noqa: PLC0415

    of, ref = Provenance("gsm8k", "GSM8K", "t@0"), ObjectRef("iaf", "iaf/gsm8k-0123456789ab/00000.parquet", 1, "0" * 64)
    endpoint = Endpoint(
        f"https://127.0.0.1:{(folder / 'port').read_text()}",
        "us-east-1",
        Credentials("a", "b"),
        str(folder / "cert.pem"),
    )
    executor = LambdaExecutor(Flyer(endpoint, 330), "mycelium-heartbeat", "mycelium-reduce", at_once)
    tasks = [Task(f"{i:05d}", "gsm8k-0123456789ab", "heartbeat", {"note": note}, (ref,), of, of) for i in range(n)]
    start = time.perf_counter()
    took = {result.outcome.chunk_id: result.outcome.wall_s for result in executor.run(tasks, "s3://a", "s3://a")}
    wall_s = time.perf_counter() - start
    return wall_s, [took[task.chunk_id] for task in tasks]


def calibrate(folder: Path, n: int) -> tuple[float, float]:
    """Return what the coordinator takes for each of n invocations in flight, connections included, and a round trip."""
    run_on_stub(folder, 20, 1, "quick")  # connections and imports
    alone_s, _ = run_on_stub(folder, 100, 1, "quick")
    wall_s, _ = run_on_stub(folder, n, n, "fixed")
    return (wall_s - FIXED_S) / n, alone_s / 100


def compare_on_stub(folder: Path, n: int, at_once: int) -> tuple[float, float]:
    """Return the measured and the simulated wall time of a run through the Lambda executor."""
    dispatch_s, round_trip_s = calibrate(folder, min(n, at_once))
    measured_s, durations = run_on_stub(folder, n, at_once)
    limits = Limits(
        concurrency=at_once,
        burst=at_once,
        puts_per_s=FREE,
        gets_per_s=FREE,
        dispatch_s=dispatch_s,
        round_trip_s=max(0.0, round_trip_s - dispatch_s),
    )
    return measured_s, simulate_again(durations, Work((0.0,), (0.0,)), limits).wall_s


def run_locally(folder: Path, source: Manifest, n: int) -> tuple[Manifest, float]:
    """Run the heartbeat over the first n chunks in worker processes; return its record, and when it began."""
    store = LocalStore(folder / f"out-{n}-{time.time_ns()}")
    store.put("begun", b"")
    given = replace(source, outcomes=source.outcomes[:n], n_chunks=n)
    plan = plan_run(LocalStore(folder / "in"), store, STAGE, HeartbeatParams(), [given])
    begun = time.time()
    return run_plan(store, plan, LocalExecutor(), quiet=True), begun


def compare_locally(folder: Path, source: Manifest, n: int) -> tuple[float, float]:
    """Return the measured and the simulated wall time of a run in worker processes."""
    few, _ = run_locally(folder, source, 40 * count_cores())
    pause_s, _ = _look_at(few)
    manifest, begun = run_locally(folder, source, n)
    init_s = min(outcome.started_s for outcome in manifest.outcomes) - begun
    limits = Limits(
        concurrency=count_cores(),
        burst=count_cores(),
        puts_per_s=FREE,
        gets_per_s=FREE,
        dispatch_s=0.0,
        round_trip_s=pause_s,
    )
    by_start = sorted(manifest.outcomes, key=lambda outcome: outcome.started_s)
    durations = [outcome.wall_s for outcome in by_start]
    return manifest.wall_s, simulate_again(durations, Work((0.0,), (init_s,)), limits).wall_s


def _look_at(manifest: Manifest) -> tuple[float, float]:
    """Return the pause of a worker between two tasks, on the average, and the time that tasks take in all."""
    outcomes = manifest.outcomes
    first = min(outcome.started_s for outcome in outcomes)
    last = max(outcome.started_s + outcome.wall_s for outcome in outcomes)
    busy_s = sum(outcome.wall_s for outcome in outcomes)
    return max(0.0, ((last - first) * count_cores() - busy_s) / len(outcomes)), busy_s


def show(where: str, n: int, pairs: list[tuple[float, float]]) -> bool:
    """Print a row; return whether the median error is within the target."""
    errors = [simulated / measured - 1 for measured, simulated in pairs]
    measured, simulated = (statistics.median(values) for values in zip(*pairs, strict=True))
    error = statistics.median(errors)
    rounds = ", ".join(f"{each:+.1%}" for each in errors)
    print(
        f"{where:30} {n:>6,} {measured:9.2f} {simulated:9.2f} {error:+8.1%}   {rounds}  load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return abs(error) <= TARGET


def main() -> None:
    """Measure and simulate in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--median", type=float, default=1.0)
    parser.add_argument("--sigma", type=float, default=0.5)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(Path(asked.serve), asked.median, asked.sigma)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    print(f"{describe_machine()}; tasks of the stub: median {asked.median:g} s, sigma {asked.sigma:g}\n")
    print(f"{'':30} {'tasks':>6} {'measured':>9} {'simulated':>9} {'error':>8}   each round")
    good = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_certificate(folder)
        me = [sys.executable, "-m", "benchmarks.simulation", "--serve", made]
        with subprocess.Popen([*me, "--median", str(asked.median), "--sigma", str(asked.sigma)]) as server:
            try:
                _wait_for(folder / "port")
                for n, at_once in ((117, 1000), (1000, 1000), (1000, 100)):
                    pairs = [compare_on_stub(folder, n, at_once) for _ in range(asked.rounds)]
                    good.append(show(f"lambda, {min(n, at_once):,} at once, TLS stub", n, pairs))
            finally:
                server.kill()
        source = write_run(LocalStore(folder / "in"), 1000)
        for n in (117, 1000):
            pairs = [compare_locally(folder, source, n) for _ in range(asked.rounds)]
            good.append(show(f"local, {count_cores()} processes", n, pairs))
    print(f"\n{sum(good)} of {len(good)} within {TARGET:.0%}")


def _wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise TimeoutError(f"the stub has not opened {path.name} within 60 s")


if __name__ == "__main__":
    main()
