"""What a benchmark found is kept with how it was found."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import claims, record
from benchmarks.record import begin, encode
from benchmarks.result import Cell, Column, Figure, Machine, Result, Table

NUMBERS = st.floats(-1e9, 1e9).map(lambda value: float(f"{value:.6g}"))
CELLS: st.SearchStrategy[Cell] = st.one_of(
    st.none(), st.text(), st.integers(-(2**53), 2**53), NUMBERS, st.lists(NUMBERS).map(tuple)
)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=4), st.text(), CELLS)
def test_a_result_is_read_as_it_was_written(rows: list[tuple[Cell, ...]], text: str, ours: Cell) -> None:
    table = Table(text, (Column(text, text, text),), tuple(rows), text)
    figure = Figure(text, text, ours, text, text, ours, at_most=1.5)
    machine = Machine(text, 2, 25.3, text, text)
    result = Result(text, text, text, text, text, machine, (1.0,), 2.5, (text,), (table,), (figure,), text)
    assert msgspec.json.decode(encode(result), type=Result) == result


def start(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=SimpleNamespace(name="benchmarks.heartbeat")))
    monkeypatch.setattr(sys, "argv", ["benchmarks/heartbeat.py", *words])


def test_only_a_claims_own_command_writes_what_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(claims.CLAIMS, "heartbeat", claims.Claim("benchmarks.heartbeat", ("--rounds", "5")))
    start(monkeypatch, "--rounds", "5")
    assert begin("heartbeat").out == record.RESULTS
    start(monkeypatch, "--rounds", "2")
    assert begin("heartbeat").out == record.ASIDE
    start(monkeypatch, "--rounds", "5")
    assert begin("of-no-claim").out == record.ASIDE


@pytest.mark.parametrize("out", [("--out", "there"), ("--out=there",)])
def test_where_a_result_goes_is_no_part_of_its_command(monkeypatch: pytest.MonkeyPatch, out: tuple[str, ...]) -> None:
    start(monkeypatch, "--rounds", "2", *out, "--chunks", "a b")
    assert begin("heartbeat", Path("there")).command == "python -m benchmarks.heartbeat --rounds 2 --chunks 'a b'"


def test_a_result_is_printed_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(monkeypatch)
    tables = [Table("A caption", (Column("time", "s"),), (("ours", (1.0, 2.0)),))]
    result = begin("heartbeat", tmp_path / "new").save("A title", tables, packages=["peer 1.2"], gpu="a GPU")
    kept = msgspec.json.decode((tmp_path / "new" / "heartbeat.json").read_bytes(), type=Result)
    assert kept == replace(result, machine=kept.machine)
    assert kept.machine.gpu == "a GPU"
    assert kept.machine.cores > 0
    assert len(kept.load) == 2
    assert "A title" in capsys.readouterr().out


def test_without_git_the_commit_is_unknown_and_the_result_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not record.find_commit()
