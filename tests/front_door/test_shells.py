"""Completion in the shells themselves, as docs/installing.md has it set up: what follows a word that was begun."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALLING = ROOT / "docs" / "installing.md"

ASK = {
    "bash": """
        COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        _mycelium_completion mycelium; echo "${{COMPREPLY[*]}}"
    """,
    # Outside its line editor zsh has no candidates to add to: what it would add is printed.
    "zsh": """
        compadd() {{ print -r -- "$@" }}; _describe() {{ print -r -- ${{(P)${{@[-1]}}}} ${{(P)${{@[-2]}}}} }}
        typeset -A compstate; words=({line}); CURRENT=${{#words}}; _mycelium_completion
    """,
    "fish": 'complete --do-complete "{line}"',
}
START = {
    "bash": ("bash", "--norc", "-c"),
    "zsh": ("zsh", "-f", "-c"),
    "fish": ("fish", "--no-config", "-c"),
}


def set_up(shell: str) -> str:
    """Return the line of the documentation that a person puts into the shell's own file."""
    (line,) = re.findall(rf"^(.*_MYCELIUM_COMPLETE={shell}_source.*?) +#", INSTALLING.read_text(), re.MULTILINE)
    before = "autoload -Uz compinit; compinit -u -D\n" if shell == "zsh" else ""
    return f"{before}{line}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(("line", "found"), [("mycelium run-stage hea", "heartbeat"), ("mycelium gpu ext", "extract")])
def test_a_shell_completes(shell: str, line: str, found: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "mycelium"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m front_door "$@"\n')
    script.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    code = set_up(shell) + ASK[shell].format(line=line)
    asked = subprocess.run(
        [program, *START[shell][1:], code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert found in re.split(r"[\s:]+", asked.stdout)  # zsh has what it means behind a colon
