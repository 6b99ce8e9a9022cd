"""How a benchmark is recorded: with its command, date, commit and machine; printed, and kept as JSON.

A benchmark calls `begin` before it measures and `Recording.save` after. What the command in `benchmarks.claims` found
is kept in benchmarks/results, one file for each claim, where `python -m benchmarks.tables` takes the documentation's
figures from; git has the history. What another command found (a short form, a part) goes below .cache, or where
`--out` says. Nothing here needs more than the standard library: a GPU machine has little else.
"""

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.claims import CLAIMS
from benchmarks.layout import format_text
from benchmarks.result import Figure, Machine, Result, Table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ASIDE = ROOT / ".cache" / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Recording:
    """A benchmark under way: what was so when it began."""

    claim: str
    out: Path
    command: str
    date: str
    commit: str
    load: float
    begun: float

    def save(
        self,
        title: str,
        tables: Sequence[Table],
        figures: Sequence[Figure] = (),
        packages: Sequence[str] = (),
        gpu: str = "",
    ) -> Result:
        """Print what was found, and keep it; `packages` are the peers' names and versions."""
        result = Result(
            self.claim,
            title,
            self.command,
            self.date,
            self.commit,
            describe(gpu),
            (round(self.load, 1), round(os.getloadavg()[0], 1)),
            round(time.monotonic() - self.begun, 1),
            tuple(packages),
            tuple(tables),
            tuple(figures),
        )
        print(format_text(result))
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"{self.claim}.json"
        path.write_text(encode(result), encoding="utf-8")
        print(f"\nkept as {path}")
        return result


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the result is kept."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the result, as JSON")


def begin(claim: str, out: Path | None = None) -> Recording:
    """Note what is so before anything is measured; only the claim's own command writes into benchmarks/results."""
    words = _typed(sys.argv[1:])
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).stem
    own = CLAIMS.get(claim)
    is_own = own is not None and (module, tuple(words)) == (own.module, own.words)
    return Recording(
        claim,
        out or (RESULTS if is_own else ASIDE),
        shlex.join(["python", "-m", module, *words]),
        time.strftime("%Y-%m-%d", time.gmtime()),
        find_commit(),
        os.getloadavg()[0],
        time.monotonic(),
    )


def _typed(words: Sequence[str]) -> list[str]:
    """Return the words of a command without where its result goes."""
    kept = [word for word in words if not word.startswith("--out=")]
    return [word for i, word in enumerate(kept) if word != "--out" and kept[i - 1 : i] != ["--out"]]


def find_commit() -> str:
    """Return the commit that was measured, and whether its code was changed; nothing where there is no git."""
    try:
        git = ["git", "-C", str(ROOT)]
        commit = subprocess.run([*git, "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True)
        changes = ["status", "--porcelain", "--", ".", ":!benchmarks/results", ":!docs", ":!*.md"]
        changed = subprocess.run([*git, *changes], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def describe(gpu: str = "") -> Machine:
    """Return what this machine is."""
    try:
        named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        named = None
    cpu = f"{named[1]} ({platform.machine()})" if named else platform.machine()
    memory_gb = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    return Machine(cpu, os.cpu_count() or 1, memory_gb, platform.system(), platform.python_version(), gpu)


def _rounded(value: Any) -> Any:
    """Return what JSON can hold with six digits of every number that is not whole."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def encode(result: Result) -> str:
    """Return a result as JSON with a line for each cell, so that its history can be read."""
    text = json.dumps(_rounded(asdict(result)), indent=1, ensure_ascii=False)
    return re.sub(r"\[\n\s*([^\[\]{}]+?)\n\s*\]", lambda m: "[" + re.sub(r"\n\s*", " ", m[1]) + "]", text) + "\n"
