"""What slow and throttled invocations cost a run, with backups and without: real sockets, TLS, the whole executor.

    python -m benchmarks.stragglers [--delay 1] [--rounds 1]

The endpoint is the stub of `benchmarks.fan_out`, a process of its own, whose answers take `--delay` seconds each, and
which misbehaves by a script: the first call of some chunks takes 20 times as long, or one call in five is throttled at
once, whoever it is for. All tasks are in flight at a time. A row is the median of so many runs, taken in turn; "tasks"
is the wall time in nominal tasks, and "ratio" that to the undisturbed run of the same way. boto3's own retries, a
thread for each call, stand beside: in its standard mode, which tries three times, and in its adaptive mode with ten,
which takes minutes for 1,000 and is left out there.
"""

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fan_out import EVENT, answer_well, in_threads, make_certificate, make_tasks, serve, wait_for
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table, middle

SLOW = 20.0
SLOW_TARGET, EXTRA_TARGET, THROTTLED_TARGET = 3.5, 0.1, 1.3
"""With 1 of 117 slow, the time in tasks and the share of extra calls; with a fifth throttled, the time over that of an
undisturbed run."""

THROTTLED = 0.2
_CHUNK = re.compile(rb'"chunk_id": ?"(\d+)"')


@dataclass(frozen=True, slots=True)
class Row:
    """What one run took.

    Attributes:
        wall_s: its wall time, seconds.
        calls: invocations that reached the stub.
        failed: tasks that failed.
    """

    wall_s: float
    calls: int
    failed: int


def misbehave(folder: Path, delay_s: float) -> None:
    """Be the endpoint: the file ``script`` says what is wrong, ``calls`` counts, and both begin anew with each run."""
    well = answer_well()
    said = b'{"Reason": "ConcurrentInvocationLimitExceeded", "message": "Rate Exceeded."}'
    head = (
        f"HTTP/1.1 429 Too Many Requests\r\nx-amzn-ErrorType: TooManyRequestsException\r\nContent-Length: {len(said)}"
    )
    throttled = head.encode() + b"\r\n\r\n" + said
    seen: Counter[bytes] = Counter()
    of: list[Any] = ["", 1, random.Random(0)]

    def behave(event: bytes) -> tuple[float, bytes]:
        asked = (folder / "script").read_text()
        if asked != of[0]:  # another run
            seen.clear()
            of[:] = [asked, 0, random.Random(asked)]
        found = _CHUNK.search(event)
        chunk = found[1] if found else b""
        seen[chunk] += 1
        of[1] += 1
        (folder / "calls").write_text(str(of[1]))
        script = json.loads(asked)
        if of[2].random() < script["throttled"]:
            return 0.0, throttled
        slow = int(chunk) % script["every"] == script["every"] // 2 and seen[chunk] == 1
        return delay_s * (SLOW if slow else 1.0), well

    serve(folder, behave)


def ours(url: str, cert: str, *, backups: bool) -> Callable[[int], int]:
    """Return the executor as a function of the number of tasks, which returns how many failed."""
    from botocore.credentials import Credentials  # noqa: PLC0415 - only where it is measured

    from coordinator.endpoint import Endpoint  # noqa: PLC0415
    from coordinator.executors.aws_lambda import LambdaExecutor  # noqa: PLC0415
    from coordinator.executors.backup import BACKUPS  # noqa: PLC0415
    from coordinator.executors.fly import Flyer  # noqa: PLC0415

    flyer = Flyer(Endpoint(url, "us-east-1", Credentials("a", "b"), cert), 330)

    def run(n: int) -> int:
        executor = LambdaExecutor(flyer, "mycelium-heartbeat", "r", n, backups=BACKUPS if backups else None)
        return sum(result.outcome.status != "done" for result in executor.run(make_tasks(n), "s3://a", "s3://a"))

    return run


def boto3_way(url: str, cert: str, mode: str, tries: int) -> Callable[[int], int]:
    """Return boto3's client under a thread for each call."""
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    retries = {"mode": mode, "total_max_attempts": tries}
    config = Config(max_pool_connections=1000, retries=retries, read_timeout=330)
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    client = boto3.client("lambda", endpoint_url=url, verify=cert, config=config, **keys)

    def run(n: int) -> int:
        failed: list[int] = []

        def call() -> None:
            try:
                client.invoke(FunctionName="mycelium-heartbeat", Payload=EVENT, LogType="Tail")["Payload"].read()
            except ClientError:
                failed.append(1)

        in_threads(call, n)
        return len(failed)

    return run


def measure(folder: Path, way: Callable[[int], int], n: int, every: int, throttled: float, number: int) -> Row:
    """Run once, under a script of its own."""
    (folder / "script.new").write_text(json.dumps({"every": every, "throttled": throttled, "number": number}))
    (folder / "script.new").rename(folder / "script")
    (folder / "calls").write_text("0")
    start = time.perf_counter()
    failed = way(n)
    return Row(time.perf_counter() - start, int((folder / "calls").read_text()), failed)


NEVER = 10**9
"""Every so-manieth chunk is slow: none."""


def run_all(folder: Path, rounds: int, sizes: Sequence[int]) -> dict[tuple[str, int], list[Row]]:
    """Measure every case in turn."""
    url, cert = f"https://127.0.0.1:{(folder / 'port').read_text()}", str(folder / "cert.pem")
    with_backups, without = ours(url, cert, backups=True), ours(url, cert, backups=False)
    standard, adaptive = boto3_way(url, cert, "standard", 3), boto3_way(url, cert, "adaptive", 10)
    cases: dict[tuple[str, int], tuple[Callable[[int], int], int, float]] = {}
    for n, every, share in ((117, 117, "1 of 117"), (1000, 100, "1 % of 1,000")):
        if n not in sizes:
            continue
        cases[f"{n:,}, none slow, backups", n] = (with_backups, NEVER, 0.0)
        cases[f"{share} slow, --no-backups", n] = (without, every, 0.0)
        cases[f"{share} slow, --backups", n] = (with_backups, every, 0.0)
        cases[f"{n:,}, 20 % throttled", n] = (with_backups, NEVER, THROTTLED)
        peers = {"standard, 3 tries": standard} | ({"adaptive, 10 tries": adaptive} if n < 1000 else {})
        for name, way in peers.items():
            cases[f"{n:,}, none throttled, boto3 {name}", n] = (way, NEVER, 0.0)
            cases[f"{n:,}, 20 % throttled, boto3 {name}", n] = (way, NEVER, THROTTLED)
    rows: dict[tuple[str, int], list[Row]] = {case: [] for case in cases}
    number = 0
    for _ in range(rounds):
        for case, (way, every, throttled) in cases.items():
            number += 1
            rows[case].append(measure(folder, way, case[1], every, throttled, number))
    return rows


def tabulate(rows: dict[tuple[str, int], list[Row]], delay_s: float) -> tuple[Table, list[Figure]]:
    """Return what each case took; each disturbed run beside the undisturbed one of its way."""
    lines: dict[str, tuple[Cell, ...]] = {}
    base = 1.0
    for (name, n), each in rows.items():
        walls = tuple(row.wall_s for row in each)
        wall = statistics.median(walls)
        base = wall if ", none " in name else base
        extra, failed = (
            int(statistics.median(values)) for values in zip(*((r.calls - n, r.failed) for r in each), strict=True)
        )
        lines[name] = (name, walls, wall / delay_s, wall / base, extra, failed)
    columns = (
        Column("time", "s"),
        Column("in tasks", form=".2f"),
        Column("over undisturbed", form=".2f"),
        Column("calls beyond n"),
        Column("failed"),
    )
    caption = f"A task takes {delay_s:g} s, a slow one {delay_s * SLOW:g} s."
    return Table(caption, columns, tuple(lines.values()), label="case"), quote(lines)


def quote(lines: dict[str, tuple[Cell, ...]]) -> list[Figure]:
    """Return what is quoted of the cases, with what is asked of it."""
    figures = []
    for n, case, target in ((117, "1 of 117 slow", SLOW_TARGET), (1000, "1 % of 1,000 slow", None)):
        if f"{case}, --backups" not in lines:
            continue
        (_, _, alone, *_), (_, _, in_tasks, _, extra, _) = (lines[f"{case}, --{no}backups"] for no in ("no-", ""))
        share = (middle(extra) or 0.0) / n
        figures += [
            Figure(f"slow-{n}", f"{case}, --backups", in_tasks, "tasks", "--no-backups", alone, at_most=target),
            Figure(f"extra-{n}", f"{case}, calls beyond the tasks", share * 100, "%", at_most=EXTRA_TARGET * 100),
        ]
    for n in (117, 1000):
        case = f"{n:,}, 20 % throttled"
        if case not in lines:
            continue
        _, _, _, ratio, _, failed = lines[case]
        figures += [
            Figure(f"throttled-{n}", f"{case}, over undisturbed", ratio, "×", at_most=THROTTLED_TARGET),
            Figure(f"failed-{n}", f"{case}, tasks that failed", failed, at_most=0),
        ]
    return figures


def main() -> None:
    """Start the stub, measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[117, 1000], help="tasks: 117, 1000 or both")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    add_out(parser)
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if asked.serve:
        misbehave(asked.serve, asked.delay)
        return
    recording = begin("stragglers", asked.out)
    me = [sys.executable, "-m", "benchmarks.stragglers", "--delay", str(asked.delay), "--serve"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_certificate(folder)
        with subprocess.Popen([*me, made], env=dict(os.environ)) as server:
            try:
                wait_for(folder / "port")
                rows = run_all(folder, asked.rounds, asked.sizes)
            finally:
                server.kill()
    table, figures = tabulate(rows, asked.delay)
    recording.save("What slow and throttled invocations cost a run", [table], figures)


if __name__ == "__main__":
    main()
