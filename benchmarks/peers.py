"""Peers, each benchmark's in an environment of their own below .cache: made when it is first run, then kept."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import ROOT

ENVIRONMENTS = ROOT / ".cache"


class PeersError(SystemExit):
    """Peers can't be installed: ends the program with its message, unless somebody knows better."""


def find_environment(name: str) -> Path:
    """Return the folder of an environment, whether it is there or not."""
    return ENVIRONMENTS / f"bench-{name}"


def install(name: str, packages: Sequence[str], constraints: Path | None = None) -> Path:
    """Make an environment with pinned packages, as far as it is not there, and return its Python.

    Raises:
        PeersError: They can't be installed; the message says why, and that an index is wanted once.
    """
    folder = find_environment(name)
    python = folder / "bin" / "python"
    ready = folder / f"ready-{packages[0]}"
    if ready.exists() and ready.read_text(encoding="utf-8") == "\n".join(packages):
        return python
    print(f"installing {', '.join(packages)} into {folder}", file=sys.stderr)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pins: list[str | Path] = ["--constraint", constraints] if constraints else []
    answer = subprocess.run([*pip, *pins, *packages], capture_output=True, text=True, check=False)
    if answer.returncode:
        why = (answer.stderr.strip().splitlines() or ["pip gave no reason"])[-1][:150]
        raise PeersError(f"{', '.join(packages)} can't be installed: {why} (a package index is wanted, once)")
    ready.write_text("\n".join(packages), encoding="utf-8")
    return python
