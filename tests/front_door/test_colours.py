"""Colours and moving bars are for terminals, and for those who want them."""

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import samples

ROOT = Path(__file__).parents[2]
COLOUR = re.compile(rb"\x1b\[[0-9;]*[34][0-8][0-9;]*m")


def ingest() -> list[str]:
    return [sys.executable, "-m", "front_door", "ingest", str(samples.PROBLEMS_FILE), "--dataset", "x", "--limit", "30"]


def surroundings(tmp_path: Path, **more: str) -> dict[str, str]:
    """Return an environment without what a terminal or a CI says of colours."""
    return {"PATH": os.defpath, "HOME": str(tmp_path), "MYCELIUM_STORE": str(tmp_path / "store"), **more}


def run_in_terminal(tmp_path: Path, **more: str) -> bytes:
    """Run a command whose standard error is a terminal, and return what that showed."""
    terminal, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # Linux's way of saying that the other end is closed
                return
            if not data:
                return
            shown.append(data)

    environment = surroundings(tmp_path, TERM="xterm-256color", **more)
    with subprocess.Popen(ingest(), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        process.wait()
        reader.join()
    os.close(terminal)
    assert process.returncode == 0
    return b"".join(shown)


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_is_shown_colours_unless_it_wants_none(tmp_path: Path, more: dict[str, str], coloured: bool) -> None:
    shown = run_in_terminal(tmp_path, **more)
    assert b"ingest x" in shown
    assert bool(COLOUR.search(shown)) is coloured


def test_a_pipe_is_shown_plain_lines(tmp_path: Path) -> None:
    answer = subprocess.run(ingest(), cwd=ROOT, env=surroundings(tmp_path), capture_output=True, check=True)
    assert b"\x1b" not in answer.stdout + answer.stderr
    assert b"ingest x" in answer.stderr
