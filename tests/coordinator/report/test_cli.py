"""The command `report`: a file where it was asked for, and one line for every mistake."""

from pathlib import Path

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    build_run(LocalStore(tmp_path / "store"), [make_iaf(seed=1)])
    return tmp_path


def report(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = call_command(coordinator, "python -m coordinator", ["report", *words])
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "name"), [((), "report-gsm8k-aaaaaaaaaaaa.html"), (("iaf/gsm8k", "--out", "x.html"), "x.html")]
)
def test_the_page_lies_where_it_says(
    words: tuple[str, ...], name: str, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = report(capsys, *words)
    assert (code, err) == (0, "")
    assert out.startswith((filled / name).as_uri())
    assert "</html>" in (filled / name).read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("iaf/gsm8j",), "did you mean iaf/gsm8k?"),
        (("--out", "/no/such/folder/x.html"), "can't be written"),
        (("--out", "."), "is a directory"),
        (("--serve", "--out", "x.html"), "--serve writes no file"),
        (("--port", "8000"), "give --serve, too"),
    ],
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...], said: str, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = report(capsys, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
