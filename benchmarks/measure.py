"""Time several ways of doing one thing in turn, so that a machine that slows down slows them all."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping


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


def print_table(
    title: str, seconds: Mapping[str, list[float]], base: str, notes: Mapping[str, str] | None = None
) -> None:
    """Print medians, spreads and ratios to one of the ways."""
    print(f"\n{title}\n{describe_machine()}")
    width = max(map(len, seconds))
    print(f"{'':{width}}  {'median s':>9}  {'min':>8}  {'max':>8}  {'ratio':>8}")
    of = statistics.median(seconds[base])
    for name, values in seconds.items():
        middle = statistics.median(values)
        note = (notes or {}).get(name, "")
        print(f"{name:{width}}  {middle:9.4f}  {min(values):8.4f}  {max(values):8.4f}  {middle / of:8.2f}  {note}")


def describe_machine() -> str:
    """Return what was measured on, and how busy it was."""
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
