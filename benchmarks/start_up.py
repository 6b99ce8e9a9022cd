"""How long a person waits for `--help`, beside what it would wait for if it imported what its commands use.

Each line is a fresh process, in turn with the others. No test looks at a clock for it; tests/front_door/test_cli.py
says what must not be imported.

    python -m benchmarks.start_up
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

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
    started, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, spent


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=11)
    options = parser.parse_args()
    taken: dict[str, list[tuple[float, float]]] = {line: [] for line in LINES}
    for _ in range(options.repetitions + 1):
        for line, words in LINES.items():
            taken[line].append(measure(words))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {options.repetitions} repetitions")
    print(f"{'ms':<38} {'median':>7} {'least':>7} {'most':>7} {'CPU':>7}")
    for line, pairs in taken.items():
        warm = sorted(wall for wall, _ in pairs[1:])  # the first reads the disk
        spent = statistics.median(cpu for _, cpu in pairs[1:])
        columns = (statistics.median(warm), warm[0], warm[-1], spent)
        print(f"{line:<38} " + " ".join(f"{seconds * 1e3:>7.0f}" for seconds in columns))


if __name__ == "__main__":
    main()
