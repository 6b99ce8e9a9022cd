"""How long a person waits for `--help`, beside what it would wait for if it imported what its commands use.

Each line is a fresh process, in turn with the others. No test looks at a clock for it; tests/front_door/test_cli.py
says what must not be imported.

    python -m benchmarks.start_up
"""

import argparse
import resource
import subprocess
import sys
import time

from benchmarks.record import add_out, begin
from benchmarks.result import Column, Figure, Table

LINES = {
    "python -c pass": ["-c", "pass"],
    "import click": ["-c", "import click"],
    "import pyarrow": ["-c", "import pyarrow"],
    "import boto3": ["-c", "import boto3"],
    "mycelium --help": ["-m", "front_door", "--help"],
    "mycelium gpu --help": ["-m", "front_door", "gpu", "--help"],
    "mycelium run-stage heartbeat --help": ["-m", "front_door", "run-stage", "heartbeat", "--help"],
    "python -m coordinator --help": ["-m", "coordinator", "--help"],
    "python -m gpu_workers --help": ["-m", "gpu_workers", "--help"],
}


def measure(words: list[str]) -> tuple[float, float]:
    """Return the seconds of one process, from its start to its end, and those of a processor."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=11)
    add_out(parser)
    options = parser.parse_args()
    recording = begin("start-up", options.out)
    taken: dict[str, list[tuple[float, float]]] = {line: [] for line in LINES}
    for _ in range(options.repetitions + 1):
        for line, words in LINES.items():
            taken[line].append(measure(words))
    # The first of each reads the disk, and doesn't count.
    wall_s, cpu_s = ({line: tuple(pair[i] for pair in pairs[1:]) for line, pairs in taken.items()} for i in range(2))
    table = Table(
        f"Processes from their start to their end, {options.repetitions} repetitions.",
        (Column("from start to end", "s"), Column("of a processor", "s")),
        tuple((f"`{line}`", wall_s[line], cpu_s[line]) for line in LINES),
        base="`python -c pass`",
        by="of a processor",
    )
    ours, peer = "mycelium --help", "import pyarrow"
    figures = [
        Figure("help", f"`{ours}`, from start to end", wall_s[ours], "s", f"`{peer}`", wall_s[peer], at_most=0.3),
        Figure("help-cpu", f"`{ours}`, of a processor", cpu_s[ours], "s", f"`{peer}`", cpu_s[peer]),
        Figure("pyarrow", f"`{peer}`, from start to end", wall_s[peer], "s"),
    ]
    recording.save("What `--help` takes, beside the imports that it does without", [table], figures)


if __name__ == "__main__":
    main()
