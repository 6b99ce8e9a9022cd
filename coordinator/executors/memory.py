"""The memory that this process and its workers may still use: the machine's, or less where a control group says so.

Read from ``/proc/meminfo`` and from the control groups of Linux, version 2 or 1, this process's and those above it.
What a group holds in files that nobody has read lately counts as free: the kernel gives it up when asked.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
UNLIMITED = 1 << 60
"""A limit from here on is none: version 1 writes a number near 2⁶³."""


def count_fitting(memory_mb: int, available_mb: float, most: int) -> int:
    """Return how many workers fit into memory: at least 1, at most `most`.

    Args:
        memory_mb: what one of them may use, MiB.
        available_mb: what there is, MiB; infinite where nobody says.
        most: workers that there would be with memory enough.
    """
    return most if available_mb >= memory_mb * most else max(1, int(available_mb // memory_mb))


def read_available_mb(root: Path = Path("/")) -> float:
    """Return the memory that is available, MiB; infinite on a system that does not say, such as macOS.

    Args:
        root: the root of the file system; another one in tests.
    """
    return min(_machine(root), *_groups(root), math.inf) / MIB


def _machine(root: Path) -> float:
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else math.inf


def _groups(root: Path) -> Iterator[float]:
    """Yield what is left in each group that this process is in."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            folder, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            folder = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # In a container the path may be the host's, and only the group at the root of what is mounted is to be seen.
        segments = [segment for segment in path.split("/") if segment not in {"", ".."}]
        for depth in range(len(segments) + 1):
            yield _left_in(folder.joinpath(*segments[:depth]), *names)


def _left_in(folder: Path, limit_name: str, usage_name: str, reclaimable_name: str) -> float:
    limit, usage = _number(_read(folder / limit_name)), _number(_read(folder / usage_name))
    if limit is None or usage is None or limit >= UNLIMITED:
        return math.inf
    found = re.search(rf"^{reclaimable_name} (\d+)", _read(folder / "memory.stat"), re.MULTILINE)
    return max(0, limit - usage + (int(found[1]) if found else 0))


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
