"""The 117-chunk heartbeat on LocalStack, by the real stack and the real handlers: one task at a time, and many.

    python -m benchmarks.localstack [--chunks 117] [--rounds 3] [--at-once 8] [--small]

LocalStack runs the functions as processes of this machine (ADR 0040), the stack is deployed into it by `cdk deploy`,
and the coordinator is the command line itself. The chunks are those of `benchmarks.dispatch`, some 4.5 MB each; with
`--small` they are those of the suite, of kilobytes. A *cold* run meets functions that were just updated and have no
environment; a *warm* one meets those that the run before left. Before each run the outputs of the one before are
deleted, so that all are computed; each run's must have the digests of the first.

run       seconds of the run, as its manifest says; *command* those of the whole command, Python's start included
tasks     the sum of the seconds of its tasks, as each measured itself; *billed* what the platform reports
CPU       seconds of processor of the coordinator, of LocalStack (Lambda, S3 and all else), and of the functions

All share this machine's cores, and LocalStack's S3, through which every byte goes, is one Python process: what is shown
is that the path works from end to end and that its parts overlap, and not what AWS would take. *At least* is what the
processor seconds of a run are over the cores. The second table asks the simulation, fed with the times that the warm
tasks took one after the other, what AWS takes, beside the paper's words.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.dispatch import RUN, write_chunks
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from coordinator.executors.local import count_cores
from coordinator.simulate.limits import Limits
from coordinator.simulate.ways import try_lambda
from coordinator.simulate.work import measured_work
from infra.packaging import ROOT
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.manifest import Manifest, read_manifest
from tests.integration.cloud import Cloud, Usage
from tests.integration.deployed import deploy, forget_outputs
from tests.integration.faults import make_run

COLD_TARGET_S, WARM_TARGET_S = 10.0, 4.0
TICKS_S = os.sysconf("SC_CLK_TCK")
REST_S = 2.0
"""After a function was updated, for the environments of its old version to end."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a run took: its record, what the command used, processor seconds of LocalStack and of the functions."""

    manifest: Manifest
    used: Usage
    localstack_s: float
    functions_s: float

    @property
    def task_s(self) -> float:
        """The sum of the seconds of its tasks."""
        return sum(outcome.wall_s for outcome in self.manifest.outcomes)

    @property
    def least_s(self) -> float:
        """Seconds that its processor seconds take at the least, on as many cores as there are."""
        return (self.used.cpu_s + self.localstack_s + self.functions_s) / count_cores()


COLUMNS: tuple[tuple[Column, Callable[[Took], float]], ...] = (
    (Column("run", "s"), lambda took: took.manifest.wall_s),
    (Column("command", "s"), lambda took: took.used.wall_s),
    (Column("at least", "s"), lambda took: took.least_s),
    (Column("tasks", "s"), lambda took: took.task_s),
    (Column("billed", "s"), lambda took: sum(outcome.billed_ms for outcome in took.manifest.outcomes) / 1000),
    (Column("cold starts"), lambda took: sum(outcome.cold for outcome in took.manifest.outcomes)),
    (Column("read", "MB"), lambda took: sum(outcome.bytes_read for outcome in took.manifest.outcomes) / 1e6),
    (Column("coordinator's CPU", "s"), lambda took: took.used.cpu_s),
    (Column("LocalStack's", "s"), lambda took: took.localstack_s),
    (Column("functions'", "s"), lambda took: took.functions_s),
)


@contextmanager
def deployed_cloud() -> Iterator[tuple[Cloud, int]]:
    """Start a LocalStack with the stack in it; yield it and its process."""
    sys.path.append(str(ROOT / "localstack-process-executor" / "src"))  # a package of its own, which no other needs
    from localstack_process_executor.launcher import LocalStack  # noqa: PLC0415

    with LocalStack(ROOT / ".cache" / "localstack") as localstack, tempfile.TemporaryDirectory() as made:
        cloud = Cloud(localstack.environment(), DEFAULT_DEPLOYMENT, Path(made), is_ours=True)
        deploy(cloud)
        yield cloud, localstack.pid


def read_cpu_s(pid: int) -> tuple[float, float]:
    """Return processor seconds of a process, and of what descends from it: what lives, and what it has collected."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    collected_s = 0.0
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split() if folder.name.isdigit() else []
        except OSError:  # gone
            continue
        if fields:
            child = int(folder.name)
            parents[child], seconds[child] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS_S
            collected_s += (int(fields[13]) + int(fields[14])) / TICKS_S if child == pid else 0.0

    def descends(child: int) -> bool:
        return child in parents and (parents[child] == pid or descends(parents[child]))

    return seconds[pid], collected_s + sum(seconds[child] for child in parents if descends(child))


def start_afresh(cloud: Cloud) -> None:
    """Make the next invocations cold ones."""
    client = cloud.client("lambda")
    client.update_function_configuration(FunctionName=cloud.function, Description=f"afresh at {time.time()}")
    client.get_waiter("function_updated_v2").wait(FunctionName=cloud.function, WaiterConfig={"Delay": 1})
    time.sleep(REST_S)


def run_once(cloud: Cloud, pid: int, source: str, at_once: int, *, cold: bool) -> Took:
    """Run the heartbeat over all chunks, none of which has an output; return what that took.

    Raises:
        SystemExit: it failed.
    """
    if cold:
        start_afresh(cloud)
    before = read_cpu_s(pid)
    words = ["run-stage", "heartbeat", "--input", source, "--executor", "lambda", "--quiet", "--json", "--no-backups"]
    told = cloud.run(*words, "--max-concurrency", str(at_once))
    after = read_cpu_s(pid)
    if told.code:
        raise SystemExit(f"the run ended with {told.code}: {told.err}")
    manifest = read_manifest(cloud.store, "heartbeats", told.summary["run"])
    forget_outputs(cloud.store, manifest.run_id)
    return Took(manifest, told.usage, after[0] - before[0], after[1] - before[1])


def run_all(cloud: Cloud, pid: int, source: str, at_once: int, rounds: int) -> dict[str, list[Took]]:
    """Run every way in turn, and hold every output to the first run's.

    Raises:
        SystemExit: two runs differ in a byte.
    """
    ways = {f"{n} at a time, {'cold' if cold else 'warm'}": (n, cold) for n in (1, at_once) for cold in (True, False)}
    took: dict[str, list[Took]] = {way: [] for way in ways}
    digests: list[list[str]] = []
    for _ in range(rounds):
        for way, (n, cold) in ways.items():
            one = run_once(cloud, pid, source, n, cold=cold)
            took[way].append(one)
            digests.append([ref.sha256 for outcome in one.manifest.outcomes for ref in outcome.outputs])
            if digests[-1] != digests[0]:
                raise SystemExit(f"{way}: outputs differ from the first run's")
            print(f"{way}: {one.manifest.wall_s:.2f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    return took


def tabulate(took: dict[str, list[Took]]) -> Table:
    """Return what was measured."""
    rows: list[tuple[Cell, ...]] = [
        (way, *(tuple(of(one) for one in rounds) for _, of in COLUMNS)) for way, rounds in took.items()
    ]
    caption = "The 117-chunk heartbeat through the functions on LocalStack."
    return Table(caption, tuple(column for column, _ in COLUMNS), tuple(rows), name="runs")


def simulate_aws(alone: Sequence[Took], n_chunks: int) -> Table:
    """Return what the simulation says of AWS, from the times of tasks that had no other beside them, and the paper."""
    measured = measured_work(alone[-1].manifest)
    rows: list[tuple[Cell, ...]] = []
    for name, work in (("cold", measured), ("warm", replace(measured, init_s=(0.0,)))):
        way = try_lambda(work, n_chunks, Limits())
        rows.append((f"simulated on AWS, {name}", way.sequential_s, way.wall_s, way.sequential_s / way.wall_s))
    rows.append(("the paper's words", "2 to 3 h", "20 to 45 s", "160 to 540"))
    columns = (Column("one after the other", "s"), Column("all at once", "s"), Column("ratio"))
    return Table("The same tasks on AWS, simulated, and the paper's.", columns, tuple(rows), name="aws")


def main() -> None:
    """Deploy, measure, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=117)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--small", action="store_true", help="chunks of kilobytes")
    add_out(parser)
    asked = parser.parse_args()
    recording = begin("localstack", asked.out)
    with deployed_cloud() as (cloud, pid):
        if asked.small:
            source = make_run(cloud.store, asked.chunks)
        else:
            source = f"iaf/{RUN}"
            write_chunks(cloud.store, asked.chunks)
        took = run_all(cloud, pid, source, asked.at_once, asked.rounds)
    walls = {way: tuple(one.manifest.wall_s for one in rounds) for way, rounds in took.items()}
    alone, cold, warm = (
        walls["1 at a time, warm"],
        *(walls[f"{asked.at_once} at a time, {c}"] for c in ("cold", "warm")),
    )
    figures = [
        Figure("cold", "117 chunks through LocalStack's functions, cold", cold, "s", at_most=COLD_TARGET_S),
        Figure("warm", "the same, warm", warm, "s", "one after the other", alone, at_most=WARM_TARGET_S),
        Figure("task", "tasks of the run one after the other", tuple(t.task_s for t in took["1 at a time, warm"]), "s"),
    ]
    tables = [tabulate(took), simulate_aws(took["1 at a time, warm"], asked.chunks)]
    recording.save("The 117-chunk heartbeat on LocalStack, and on AWS as simulated", tables, figures)


if __name__ == "__main__":
    main()
