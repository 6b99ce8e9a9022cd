"""The zip file that a machine installs itself from: our code, the same bytes each time, and a package that installs."""

import subprocess
import sys
import zipfile
from pathlib import Path

from infra.worker_asset import build_worker_asset


def test_it_holds_what_the_machine_runs_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_worker_asset(tmp_path)) as archive:
        names = archive.namelist()
    assert {
        "pyproject.toml",
        "constraints.txt",
        "gpu_workers/work/worker.py",
        "gpu_workers/work/mycelium-work.service",
        "gpu_workers/spool/mycelium-upload.service",
        "mycelium/fleet/records.py",
    } <= set(names)
    assert not [name for name in names if name.startswith(("tests", "coordinator", "infra")) or "__pycache__" in name]


def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = build_worker_asset(tmp_path / "one"), build_worker_asset(tmp_path / "two")
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())


def test_the_command_runs_from_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_worker_asset(tmp_path)) as archive:
        archive.extractall(tmp_path / "source")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'source')!r})\n"
    code += "import gpu_workers.work.cli as c; print(c.__file__); c.work.main(['--help'], standalone_mode=False)"
    asked = [sys.executable, "-c", code]
    answer = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(tmp_path) in answer.stdout
    assert "Read shard after shard from a queue" in answer.stdout
