"""Parsers of others as processes that answer line by line, and the environments they live in."""

import json
import os
import select
import shutil
import subprocess
import sys
from typing import Any

from benchmarks.peers import PeersError, find_environment, install
from benchmarks.record import ROOT

PEERS = ("sympy antlr, evaluated", "sympy antlr, unevaluated", "latex2sympy2_extended", "math-verify")
ENGINE = "Compute Engine (JavaScript)"
PACKAGES = ("sympy==1.14.0", "latex2sympy2_extended==1.11.0", "math-verify==0.9.0", "antlr4-python3-runtime==4.11.1")
ENGINE_PACKAGE = "@cortex-js/compute-engine@0.140.0"
LIMIT_S = 3.0


class Server:
    """A peer in a process of its own, started again whenever it had to be killed."""

    def __init__(self, command: list[str], folder: str) -> None:
        """Take how the peer is started, and a folder of its own."""
        self.command, self.folder = command, folder
        self.process: subprocess.Popen[bytes] | None = None
        self.pending = b""

    def ask(self, text: str) -> dict[str, Any]:
        """Return the peer's answer, or ``{"ok": False, "error": "hang" or "crash"}``."""
        if self.process is None:
            self.start()
        answer = self.exchange(text)
        if answer is not None:
            return answer
        assert self.process is not None
        hung = self.process.poll() is None
        self.stop()
        return {"ok": False, "error": "hang" if hung else "crash", "cpu": LIMIT_S}

    def start(self) -> None:
        """Start the peer, and wait until it has answered once."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        self.pending = b""
        if self.exchange("x", 120) is None:
            sys.exit(f"a peer does not start: {' '.join(self.command)}")

    def exchange(self, text: str, limit_s: float = LIMIT_S) -> dict[str, Any] | None:
        """Send one expression and wait for the answer; None where there is none in time."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(text).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            return None
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], limit_s)
            part = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                return None
            self.pending += part
        line, _, self.pending = self.pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the peer."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None


def prepare(*, engine: bool) -> dict[str, list[str]]:
    """Make the peers' environment if it is not there, and return how each is started.

    Raises:
        PeersError: There is no network, or no npm.
    """
    python = install("labels", PACKAGES)
    commands = {name: [str(python), str(ROOT / "benchmarks" / "labels_peers.py"), name] for name in PEERS}
    if engine:
        folder = find_environment("labels") / "engine"
        if not (folder / "node_modules").exists():
            folder.mkdir(parents=True, exist_ok=True)
            npm = shutil.which("npm")
            if npm is None:
                raise PeersError(f"{ENGINE} wants node and npm, which are not here; --no-engine leaves it out")
            subprocess.run([npm, "install", "--silent", "--prefix", folder, ENGINE_PACKAGE], check=True)
        commands[ENGINE] = ["node", str(ROOT / "benchmarks" / "labels_engine.mjs"), str(folder)]
    return commands


def for_peers(text: str) -> str:
    """Take off what only ends a sentence: no peer reads it."""
    return text.strip().rstrip(".,;:").strip()
