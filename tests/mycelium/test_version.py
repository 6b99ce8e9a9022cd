"""The version is the last tag and the commit, wherever the code lies; where no tag is known it is said to be none."""

import importlib.metadata
import shutil
import subprocess
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from gpu_workers.cli import gpu_workers
from mycelium.command import call_command
from mycelium.version import CHECKOUT, UNRELEASED, code_version, read_release

IDENTITY = (
    "-c",
    "user.name=a",
    "-c",
    "user.email=a@example.com",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "tag.gpgsign=false",
)


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *IDENTITY, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit and no tag."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("1")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def commit(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")[:12]


def test_without_a_tag_the_commit_is_known_and_no_release(checkout: Path) -> None:
    assert code_version(checkout) == f"0.0+{commit(checkout)}"


def test_the_last_tag_is_the_release(checkout: Path) -> None:
    git(checkout, "tag", "v0.2.0")
    assert code_version(checkout) == f"0.2.0+{commit(checkout)}"
    (checkout / "file").write_text("2")
    assert code_version(checkout) == f"0.2.0+{commit(checkout)}.dirty"
    git(checkout, "commit", "--quiet", "--all", "--message", "two")
    git(checkout, "tag", "--annotate", "--message", "three", "v0.3.0rc1")
    git(checkout, "tag", "vault")
    assert code_version(checkout) == f"0.3.0rc1+{commit(checkout)}"


def test_a_worktree_is_a_checkout_too(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "--quiet", str(tmp_path / "other"))
    assert code_version(tmp_path / "other") == code_version(checkout)


def test_where_git_is_not_or_says_nothing_the_installation_knows(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.2.0+g0123456")
    assert code_version(tmp_path) == "1.2.0+g0123456"
    shutil.rmtree(checkout / ".git" / "objects")
    assert code_version(checkout) == "1.2.0+g0123456"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_version(checkout) == "1.2.0+g0123456"


def test_what_was_never_installed_has_no_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", find_none)
    assert code_version(tmp_path) == UNRELEASED


def test_a_release_has_no_commit() -> None:
    assert read_release("0.2.0+g0123456.d20261120") == "0.2.0"
    assert read_release("0.2.0") == "0.2.0"
    assert read_release() == code_version().partition("+")[0]


@pytest.mark.parametrize("program", [coordinator, gpu_workers], ids=["coordinator", "gpu_workers"])
def test_both_command_lines_say_it(program: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_command(program, "program", ["--version"]) == 0  # type: ignore[arg-type]
    assert capsys.readouterr().out == f"mycelium, version {code_version()}\n"


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="this is no checkout")
def test_here_the_commit_is_told() -> None:
    assert f"+{commit(CHECKOUT)}" in code_version()
