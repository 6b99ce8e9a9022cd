"""Time several ways of doing one thing in turn, so that a machine that slows down slows them all."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.result import Column, Table


def time_in_turn(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Call each way once a round, after one round that does not count, and return the seconds each took."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def timing_table(caption: str, seconds: Mapping[str, Sequence[float]], base: str, name: str = "") -> Table:
    """Return what `time_in_turn` found as a table, each way beside the base."""
    rows = tuple((way, tuple(values)) for way, values in seconds.items())
    return Table(caption, (Column("median", "s"),), rows, name, base=base, by="median")


def describe_machine() -> str:
    """Return what was measured on, and how busy it was."""
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
