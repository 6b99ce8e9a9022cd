"""A command line on a store of its own."""

from pathlib import Path

import pytest

from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf
from tests.coordinator.command_line import Cli


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The commands in an empty folder, whose store is not there yet."""
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path / "store", capsys)


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """The commands over a run of `iaf` of three chunks."""
    build_run(LocalStore(cli.store), [make_iaf(seed=i) for i in range(3)])
    return cli
