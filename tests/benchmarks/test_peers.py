"""Peers get an environment of their own, once, and say what they lack without a network."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import peers


def test_an_environment_is_made_once_for_the_same_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[object], **_: object) -> SimpleNamespace:
        asked.append([str(word) for word in command])
        (tmp_path / "bench-x" / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / "bench-x" / "bin" / "python").touch()
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        assert peers.install("x", ("peer==1.0", "more")) == tmp_path / "bench-x" / "bin" / "python"
    assert [words[-1] for words in asked] == [str(tmp_path / "bench-x"), "more"]
    peers.install("x", ("peer==1.0", "more==2"), constraints=tmp_path / "pins")
    assert asked[-1][-4:] == ["--constraint", str(tmp_path / "pins"), "peer==1.0", "more==2"]


def test_what_cannot_be_installed_says_so_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = SimpleNamespace(returncode=1, stderr="WARNING: no\nERROR: No matching distribution found for peer\n")
    monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    for _ in range(2):
        with pytest.raises(peers.PeersError, match="peer can't be installed: ERROR: No matching .* index is wanted"):
            peers.install("x", ("peer",))
