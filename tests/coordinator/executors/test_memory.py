"""How much memory there is, as a machine and its control groups say: over folders made for it."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.memory import MIB, count_fitting, read_available_mb


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def machine(root: Path, available_mb: int) -> Path:
    return write(root, proc__meminfo=f"MemTotal:       99999999 kB\nMemAvailable:   {available_mb * 1024} kB\n")


def group(root: Path, folder: str, limit: str, current_mb: int, inactive_mb: int = 0) -> None:
    below = root / "sys/fs/cgroup" / folder
    below.mkdir(parents=True, exist_ok=True)
    (below / "memory.max").write_text(limit + "\n")
    (below / "memory.current").write_text(f"{current_mb * MIB}\n")
    (below / "memory.stat").write_text(f"anon 1\ninactive_file {inactive_mb * MIB}\nactive_file 7\n")


def test_a_system_that_says_nothing_has_no_bound(tmp_path: Path) -> None:
    assert read_available_mb(tmp_path) == math.inf


def test_the_machine_says_what_is_available(tmp_path: Path) -> None:
    assert read_available_mb(machine(tmp_path, 8000)) == 8000


def test_this_machine_can_be_asked() -> None:
    assert read_available_mb() > 0


def test_a_group_of_version_2_bounds_it_and_its_idle_files_count_as_free(tmp_path: Path) -> None:
    write(machine(tmp_path, 8000), proc__self__cgroup="0::/box/one\n")
    group(tmp_path, "box/one", "max", 100)
    group(tmp_path, "box", str(2000 * MIB), 1500, inactive_mb=300)
    assert read_available_mb(tmp_path) == 800


def test_in_a_container_the_group_at_the_root_counts(tmp_path: Path) -> None:
    write(machine(tmp_path, 8000), proc__self__cgroup="0::/../../host/path\n")
    group(tmp_path, "", str(512 * MIB), 500)
    assert read_available_mb(tmp_path) == 12


def test_a_group_of_version_1_bounds_it(tmp_path: Path) -> None:
    write(machine(tmp_path, 8000), proc__self__cgroup="5:cpu,cpuacct:/a\n4:memory:/docker/x\n0::/\n")
    below = tmp_path / "sys/fs/cgroup/memory/docker/x"
    below.mkdir(parents=True)
    (below / "memory.limit_in_bytes").write_text(f"{1000 * MIB}\n")
    (below / "memory.usage_in_bytes").write_text(f"{900 * MIB}\n")
    (below / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {50 * MIB}\n")
    (tmp_path / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    (tmp_path / "sys/fs/cgroup/memory/memory.usage_in_bytes").write_text("1\n")
    assert read_available_mb(tmp_path) == 150


def test_a_group_beyond_its_limit_leaves_nothing(tmp_path: Path) -> None:
    write(machine(tmp_path, 8000), proc__self__cgroup="0::/\n")
    group(tmp_path, "", str(100 * MIB), 101)
    assert read_available_mb(tmp_path) == 0


@pytest.mark.parametrize("text", ["", "\0", "max", "-1", "0::", "::::", "4:memory", "MemAvailable: many kB", "é" * 999])
def test_what_is_not_understood_is_no_bound(tmp_path: Path, text: str) -> None:
    write(tmp_path, proc__meminfo=text, proc__self__cgroup=f"{text}\n0::/x\n{text}")
    below = tmp_path / "sys/fs/cgroup/x"
    below.mkdir(parents=True)
    for name in ("memory.max", "memory.current", "memory.stat"):
        (below / name).write_bytes(text.encode("latin-1", "replace"))
    assert read_available_mb(tmp_path) == math.inf


@given(st.integers(1, 10**5), st.floats(0, 1e7) | st.just(math.inf), st.integers(1, 256))
def test_as_many_fit_as_memory_holds_and_never_none(memory_mb: int, available_mb: float, most: int) -> None:
    n = count_fitting(memory_mb, available_mb, most)
    assert 1 <= n <= most
    assert n == 1 or n * memory_mb <= available_mb
    assert n == most or (n + 1) * memory_mb > available_mb
