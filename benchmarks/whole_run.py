"""A whole run of up to a million tasks that do nothing.

    python -m benchmarks.whole_run [--chunks 10000 100000 1000000] [--ways lambda step-functions]

Planned, dispatched, reduced and recorded by `run_plan` over an S3 stub on the loopback address, which holds as many
keys as there are chunks by arithmetic, and keeps what is put. Scripted is AWS: the executor's invoker answers each
event at once, with the outcome of a task that did nothing, and the state machine has ended as soon as it was started.
So what is measured is the coordinator alone: its time, its processor time, and the most memory that it had, in a fresh
process for each way; the stub is in another.
"""

import argparse
import os
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from benchmarks.planning import RUN_ID, Answer, Stub, ask, make_manifest, measure
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from coordinator.deployment import Deployment
from coordinator.endpoint import Endpoint
from coordinator.executors.aws_lambda import LambdaExecutor
from coordinator.executors.backup import BACKUPS
from coordinator.executors.fan_out import Attempt
from coordinator.executors.invoke import Reply
from coordinator.executors.step_functions import StepFunctionsExecutor
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.datasets import IAF
from mycelium.manifest import ObjectRef, Outcome, put_manifest, read_manifest
from mycelium.plan import plan_run
from mycelium.run import Executor, run_plan
from mycelium.schema import chunk_key
from mycelium.store import LocalStore, open_store
from mycelium.task import Task, encode_part
from mycelium.wire import Answer as Said
from mycelium.wire import part_key

T = TypeVar("T")
R = TypeVar("R")

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:bench"
DIGEST = "0" * 64
OUTPUTS = STAGE.writes[-1]


class InstantCrew(Generic[T, R]):
    """Answers at once."""

    def __init__(self, encode: Callable[[T], bytes], land: Callable[[Reply], R]) -> None:
        """Take what is made of an item and of its answer."""
        self._encode, self._land = encode, land
        self._landed: deque[tuple[Attempt[T, R], R]] = deque()
        self._part = encode_part(STAGE.summarize([OUTPUTS.arrow_schema().empty_table()]))

    def start(self, attempt: Attempt[T, R], in_flight: int) -> None:
        """See `Crew.start`; the event is made, as for a function that is there."""
        del in_flight
        item = attempt.call.item
        assert self._encode(item)
        said = Said(part=self._part)
        if isinstance(item, Task):
            ref = ObjectRef(OUTPUTS.name, chunk_key(OUTPUTS, item.run_id, item.chunk_id), 1234, DIGEST)
            outcome = Outcome(item.chunk_id, "done", (ref,), n_input=1, n_output=1, wall_s=0.1, billed_ms=100)
            said = Said(outcome, part_key=part_key(item.run_id, item.chunk_id))
        self._landed.append((attempt, self._land(Reply(200, msgspec.json.encode(said)))))

    def wait(self, timeout_s: float | None) -> tuple[Attempt[T, R], R] | None:
        """See `Crew.wait`."""
        del timeout_s
        return self._landed.popleft() if self._landed else None

    def drop(self, attempt: Attempt[T, R]) -> None:
        """See `Crew.drop`."""
        self._landed = deque(landed for landed in self._landed if landed[0] is not attempt)

    def dismiss(self) -> None:
        """See `Crew.dismiss`."""


class Instant:
    """Functions that answer at once."""

    def fly(self, function: str, encode: Callable[[T], bytes], land: Callable[[Reply], R]) -> InstantCrew[T, R]:
        """See `Invokes.fly`."""
        del function
        return InstantCrew(encode, land)


class _Machine:
    """A state machine that has done everything as soon as it was started."""

    class exceptions:  # noqa: N801 - as boto3 has it
        """What boto3's client raises."""

        ExecutionDoesNotExist = KeyError
        ExecutionAlreadyExists = FileExistsError
        StateMachineDoesNotExist = LookupError

    def __init__(self) -> None:
        self._started = False

    def describe_execution(self, **_: object) -> dict[str, str]:
        if not self._started:
            raise KeyError
        return {"status": "SUCCEEDED"}

    def start_execution(self, **_: object) -> None:
        self._started = True


def make_executor(way: str, prefix: str) -> tuple[Executor, LambdaExecutor]:
    """Return the executor of a way, and who reduces."""
    remote = LambdaExecutor(Instant(), "stage", "reduce", backups=BACKUPS)
    if way == "lambda":
        return remote, remote
    deployment = Deployment("bench", "us-east-1", prefix, "stage", "reduce", MACHINE, Endpoint("", "", None))
    return StepFunctionsExecutor(_Machine(), deployment, 1000, adopter=remote, sleep=lambda _: None), remote


def run_whole(way: str) -> int:
    """Plan and do a run; return how many tasks it had."""
    store = open_store("s3://bench")
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [read_manifest(store, IAF.name, RUN_ID)])
    executor, reducer = make_executor(way, "bench")
    manifest = run_plan(store, plan, executor, reducer=reducer, quiet=True)
    assert manifest.complete
    return len(manifest.outcomes)


class _Keeps(Answer):
    """Answers PUTs too, in one piece or in parts; outputs are there once the state machine's items are."""

    server: "_Bucket"

    def find_keys(self, prefix: str) -> tuple[int, int]:
        if prefix.startswith(f"{IAF.name}/"):
            return self.server.n, 1
        return (self.server.n if self.server.is_done else 0), 1

    def do_PUT(self) -> None:  # noqa: N802 - so the server calls it
        left, url = int(self.headers["Content-Length"]), urlsplit(self.path)
        key = url.path.partition("/bench/")[2]
        if "partNumber" in parse_qs(url.query) or key.endswith("items.json"):
            while left:  # the items of a million are a gigabyte: counted, and let go
                n = len(self.rfile.read(min(left, 1 << 20)))
                left, self.server.n_bytes = left - n, self.server.n_bytes + n
            self.server.is_done = True
        else:
            path = self.server.folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.rfile.read(left))
        self.send(b"", ETag='"0"')

    def do_POST(self) -> None:  # noqa: N802 - so the server calls it
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = "InitiateMultipartUploadResult" if "uploads" in self.path else "CompleteMultipartUploadResult"
        self.send(f"<{kind}><UploadId>1</UploadId><ETag>0</ETag></{kind}>".encode())


class _Bucket(Stub):
    """A bucket of n inputs, without outputs as yet."""

    def __init__(self, folder: Path, n: int) -> None:
        super().__init__(folder, {}, 0.0, _Keeps)
        self.n, self.is_done, self.n_bytes = n, False, 0


def compare_ways(ways: Sequence[str], n: int) -> list[tuple[Cell, ...]]:
    """Measure each way, and return a row of each."""
    rows: list[tuple[Cell, ...]] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        put_manifest(LocalStore(folder), make_manifest(n), IAF.name)
        for way in ways:
            with _Bucket(folder, n) as stub:
                threading.Thread(target=stub.serve_forever, daemon=True).start()
                found: dict[str, Any] = ask("benchmarks.whole_run", "--part", way, **stub.environment)
                stub.shutdown()
            assert found["n_left"] == n
            row = (way, n, found["wall_s"], found["cpu_s"], found["cpu_s"] * 1e3 / n, found["peak"], stub.n_bytes / 1e6)
            print(*row, f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def main() -> None:
    """Measure each number of chunks in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--ways", nargs="*", default=["lambda", "step-functions"])
    parser.add_argument("--part", help=argparse.SUPPRESS)
    add_out(parser)
    asked = parser.parse_args()
    if asked.part:
        measure(lambda: run_whole(asked.part))
        return
    recording = begin("whole-run", asked.out)
    rows = [row for n in asked.chunks for row in compare_ways(asked.ways, n)]
    columns = (
        *(Column("chunks"), Column("time", "s"), Column("of a processor", "s"), Column("of that a task", "ms")),
        *(Column("peak", "MB", ".0f"), Column("items", "MB", ".0f")),
    )
    most = max(asked.chunks)
    figures = [
        Figure(
            f"{row[0]}-{key}", f"a run of {most:,} tasks that do nothing, {row[0]}, {what}", row[j], unit, form=".0f"
        )
        for row in rows
        if row[1] == most
        for key, what, j, unit in (("cpu", "of a processor", 3, "s"), ("memory", "memory", 5, "MB"))
    ]
    caption = "Tasks that do nothing, answered at once."
    table = Table(caption, columns, tuple(rows), label="executor")
    recording.save("A whole run of very many tasks that do nothing", [table], figures)


if __name__ == "__main__":
    main()
