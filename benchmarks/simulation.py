"""Simulated runs beside measured ones.

    python -m benchmarks.simulation [--rounds 5] [--only lambda]

Each run is simulated from the times that its tasks were to take, and from what was measured in other runs just before
it: the processor time of the coordinator and of the stub for a connection and for a task, and how much longer than that
each of the two took because the machine was busy with other work, by the kernel's own count (/proc/PID/schedstat). What
is compared is the wall time. Nothing is fitted to it. Where other work comes and goes, the machine is another one a
second later; so the error is told once more, with the kernel's count of the very run in place of that before it.

- `lambda`, over real sockets: the whole executor against a TLS stub of Lambda on the loopback address. The stub answers
  each invocation after a time of its own, log-normal about the median, and says in the answer how long that was.
- `local`: the real heartbeat over real chunks in worker processes, as many as there are cores.
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
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fan_out import make_certificate
from benchmarks.heartbeat import write_run
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
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

WARM = 1000
"""Tasks of no time by which the cost of one over an open connection is measured."""

SENT = 2 / 3
"""The share of what a task costs the coordinator that is spent on sending it: most of it is the signature."""

MOST_CALIBRATED = 400
"""Connections by which the cost of one is measured: fewer than a run opens, so that it is foretold, not repeated."""

FIXED_S = 5.0
"""What a task takes while dispatch is measured: longer than all are sent, so that each has a connection of its own."""


QUICK, FIXED = "quick", "fixed"

STUB_RUNS = (
    (117, 1000, 1.0),
    (1000, 1000, 1.0),
    (1000, 100, 1.0),
    (500, 500, 0.3),
    (1000, 1000, 3.0),
    (2000, 300, 0.3),
)
"""Tasks, how many at once, and the median of their times."""


def serve(folder: Path, sigma: float) -> None:
    """Be a Lambda that takes its time, until killed; an event says the median of that, or "quick", or "fixed"."""
    rng = random.Random(1)

    def draw(note: str) -> float:
        if note in {QUICK, FIXED}:
            return 0.0 if note == QUICK else FIXED_S
        return rng.lognormvariate(0, sigma) * float(note)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                size = sum(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
                task = json.loads(await reader.readexactly(size))["task"]
                takes_s = draw(task["params"]["note"])
                if takes_s:
                    await asyncio.sleep(takes_s)
                outcome = {"chunk_id": task["chunk_id"], "status": "done", "wall_s": takes_s}
                answer = json.dumps({"outcome": outcome, "part": ""})
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


@dataclass(frozen=True, slots=True)
class Spent:
    """What the kernel says of a process.

    Attributes:
        cpu_s: time on a processor.
        waited_s: time in which it could have run and none was free.
    """

    cpu_s: float
    waited_s: float

    @property
    def stretch(self) -> float:
        """How much longer the work took than alone on the machine."""
        return (self.cpu_s + self.waited_s) / self.cpu_s if self.cpu_s else 1.0

    def since(self, before: "Spent") -> "Spent":
        """Return what was spent since then."""
        return Spent(self.cpu_s - before.cpu_s, self.waited_s - before.waited_s)


def look(pid: int) -> Spent:
    """Return what a process of one thread has spent so far."""
    cpu, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return Spent(int(cpu) / 1e9, int(waited) / 1e9)


@dataclass(frozen=True, slots=True)
class StubRun:
    """A run over the stub: the wall time, what each task was to take, what coordinator and stub have spent."""

    wall_s: float
    task_s: list[float]
    near: Spent
    far: Spent


@dataclass(frozen=True, slots=True)
class Stub:
    """The stub's process, and the folder that says where it is."""

    folder: Path
    pid: int


def run_on_stub(stub: Stub, n: int, at_once: int, note: str) -> StubRun:
    """Run so many tasks through the Lambda executor, over connections that it has still to open."""
    from botocore.credentials import Credentials  # noqa: PLC0415 - only here

    from coordinator.endpoint import Endpoint  # noqa: PLC0415
    from coordinator.executors.aws_lambda import LambdaExecutor  # noqa: PLC0415
    from coordinator.executors.fly import Flyer  # noqa: PLC0415

    of, ref = Provenance("gsm8k", "GSM8K", "t@0"), ObjectRef("iaf", "iaf/gsm8k-0123456789ab/00000.parquet", 1, "0" * 64)
    url = f"https://127.0.0.1:{(stub.folder / 'port').read_text()}"
    endpoint = Endpoint(url, "us-east-1", Credentials("a", "b"), str(stub.folder / "cert.pem"))
    executor = LambdaExecutor(Flyer(endpoint, 330), "mycelium-heartbeat", "mycelium-reduce", at_once)
    tasks = [Task(f"{i:05d}", "gsm8k-0123456789ab", "heartbeat", {"note": note}, (ref,), of, of) for i in range(n)]
    near, far, start = look(os.getpid()), look(stub.pid), time.perf_counter()
    took = {result.outcome.chunk_id: result.outcome.wall_s for result in executor.run(tasks, "s3://a", "s3://a")}
    wall_s = time.perf_counter() - start
    spent = look(os.getpid()).since(near), look(stub.pid).since(far)
    return StubRun(wall_s, [took[task.chunk_id] for task in tasks], *spent)


def calibrate(stub: Stub, n: int) -> tuple[Limits, Spent, Spent]:
    """Return processor time of either side for a connection and a task, from n in flight, and what either spent."""
    run_on_stub(stub, 20, 1, QUICK)  # imports
    warm, fresh = run_on_stub(stub, WARM, 10, QUICK), run_on_stub(stub, n, n, FIXED)
    near, far = ((run.near.cpu_s, run.far.cpu_s) for run in (warm, fresh))
    task_s, answer_s = near[0] / WARM, near[1] / WARM
    limits = Limits(
        puts_per_s=FREE,
        gets_per_s=FREE,
        round_trip_s=0.0,  # the loopback address
        dispatch_s=task_s * SENT,
        land_s=task_s * (1 - SENT),
        open_s=max(0.0, far[0] / n - task_s),
        answer_s=answer_s,
        accept_s=max(0.0, far[1] / n - answer_s),
    )
    return limits, fresh.near, fresh.far


def stretch(limits: Limits, near: Spent, far: Spent) -> Limits:
    """Return times as they pass on a machine with other work."""
    return replace(
        limits,
        dispatch_s=limits.dispatch_s * near.stretch,
        open_s=limits.open_s * near.stretch,
        land_s=limits.land_s * near.stretch,
        accept_s=limits.accept_s * far.stretch,
        answer_s=limits.answer_s * far.stretch,
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """A run: measured, simulated from what was before it, and with the kernel's count of the run itself."""

    measured_s: float
    simulated_s: float
    given_load_s: float


def compare_on_stub(stub: Stub, n: int, at_once: int, median_s: float) -> Pair:
    """Return the measured and the simulated wall time of a run through the Lambda executor."""
    limits, *before = calibrate(stub, min(n, at_once, MOST_CALIBRATED))
    run = run_on_stub(stub, n, at_once, str(median_s))
    limits = replace(limits, concurrency=at_once, burst=at_once)
    simulated = [
        simulate_again(run.task_s, Work((0.0,), (0.0,)), stretch(limits, *spent)).wall_s
        for spent in (before, (run.near, run.far))
    ]
    return Pair(run.wall_s, *simulated)


def run_locally(folder: Path, source: Manifest, n: int) -> tuple[Manifest, float]:
    """Run the heartbeat over the first n chunks in worker processes; return its record, and when it began."""
    store = LocalStore(folder / f"out-{n}-{time.time_ns()}")
    store.put("begun", b"")
    given = replace(source, outcomes=source.outcomes[:n], n_chunks=n)
    plan = plan_run(LocalStore(folder / "in"), store, STAGE, HeartbeatParams(), [given])
    begun = time.time()
    return run_plan(store, plan, LocalExecutor(), quiet=True), begun


def compare_locally(folder: Path, source: Manifest, n: int) -> Pair:
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
    limits = replace(limits, open_s=0.0, land_s=0.0)
    simulated_s = simulate_again(durations, Work((0.0,), (init_s,)), limits).wall_s
    return Pair(manifest.wall_s, simulated_s, simulated_s)


def _look_at(manifest: Manifest) -> tuple[float, float]:
    """Return the pause of a worker between two tasks, on the average, and the time that tasks take in all."""
    outcomes = manifest.outcomes
    first = min(outcome.started_s for outcome in outcomes)
    last = max(outcome.started_s + outcome.wall_s for outcome in outcomes)
    busy_s = sum(outcome.wall_s for outcome in outcomes)
    return max(0.0, ((last - first) * count_cores() - busy_s) / len(outcomes)), busy_s


def tabulate(measured: dict[tuple[str, int], list[Pair]], caption: str) -> tuple[Table, list[Figure]]:
    """Return what was measured beside what was simulated; each run's median error is held to the target."""
    rows: list[tuple[Cell, ...]] = []
    figures: list[Figure] = []
    for (where, n), pairs in measured.items():
        errors = [100 * (pair.simulated_s / pair.measured_s - 1) for pair in pairs]
        given_load = [100 * (pair.given_load_s / pair.measured_s - 1) for pair in pairs]
        taken, simulated = (tuple(getattr(pair, name) for pair in pairs) for name in ("measured_s", "simulated_s"))
        rows.append((where, n, taken, simulated, _list_errors(errors), _list_errors(given_load)))
        what = f"error of the simulated time, {n:,} tasks, {where}"
        error = abs(statistics.median(errors))
        figures.append(Figure(f"{where.split()[0].strip(',')}-{n}-{len(figures)}", what, error, "%",
                              at_most=100 * TARGET, form=".1f"))  # fmt: skip
    columns = (
        Column("tasks"),
        Column("measured", "s"),
        Column("simulated", "s"),
        Column("error of each round"),
        Column("the same, given the run's own load"),
    )
    return Table(caption, columns, tuple(rows)), figures


def _list_errors(errors: list[float]) -> str:
    return ", ".join(f"{error:+.1f}" for error in errors).replace("-", "−") + " %"


def main() -> None:
    """Measure and simulate in turn, and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["lambda", "local"], choices=["lambda", "local"])
    parser.add_argument("--sigma", type=float, default=0.5)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    add_out(parser)
    asked = parser.parse_args()
    if asked.serve:
        serve(Path(asked.serve), asked.sigma)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    recording = begin("simulation", asked.out)
    measured: dict[tuple[str, int], list[Pair]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_certificate(folder)
        me = [sys.executable, "-m", "benchmarks.simulation", "--serve", made]
        with subprocess.Popen([*me, "--sigma", str(asked.sigma)]) as server:
            try:
                _wait_for(folder / "port")
                stub = Stub(folder, server.pid)
                for n, at_once, median_s in STUB_RUNS if "lambda" in asked.only else ():
                    pairs = [compare_on_stub(stub, n, at_once, median_s) for _ in range(asked.rounds)]
                    where = f"lambda over a TLS stub, {min(n, at_once):,} at once, median {median_s:g} s"
                    measured[where, n] = pairs
            finally:
                server.kill()
        source = write_run(LocalStore(folder / "in"), 1000) if "local" in asked.only else None
        for n in (117, 1000) if source else ():
            assert source is not None
            pairs = [compare_locally(folder, source, n) for _ in range(asked.rounds)]
            measured[f"local, {count_cores()} processes, the real heartbeat", n] = pairs
    caption = f"Tasks of the stub: log-normal, sigma {asked.sigma:g}."
    table, figures = tabulate(measured, caption)
    recording.save("Simulated runs, beside the same runs measured", [table], figures)


def _wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise TimeoutError(f"the stub has not opened {path.name} within 60 s")


if __name__ == "__main__":
    main()
