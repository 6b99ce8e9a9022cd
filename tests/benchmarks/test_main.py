"""`make bench`: everything in turn, and what failed at the end."""

from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks.claims import CLAIMS, Claim
from benchmarks.record import ROOT
from benchmarks.tables import fill, read_results

SHORT = [name for name, claim in CLAIMS.items() if claim.short is not None]


def test_one_that_fails_does_not_stop_the_others_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    claims = {"wrong": Claim("benchmarks.no_such_benchmark"), "right": Claim("platform")}
    assert bench.measure(claims, None, short=False) == ["wrong"]
    shown = capsys.readouterr().out
    assert "[1/2] wrong: failed with 1" in shown
    assert "[2/2] right: done" in shown


def test_a_name_of_no_claim_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match="no claim named heartbaet; there are .*heartbeat"):
        bench.main(["heartbaet"])


def test_what_wants_more_than_this_machine_is_measured_only_when_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CLAIMS, "far", Claim("benchmarks.far", wants="a CUDA device"))
    assert "far" not in bench.choose([], short=False)
    assert "far is left out: it wants a CUDA device" in capsys.readouterr().out
    assert list(bench.choose(["far"], short=False)) == ["far"]


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_a_module_of_this_folder(name: str) -> None:
    module = CLAIMS[name].module
    assert (ROOT / f"{module.replace('.', '/')}.py").exists()
    assert f'begin("{name}"' in (ROOT / f"{module.replace('.', '/')}.py").read_text()


@pytest.mark.slow
def test_from_the_benchmark_to_the_page(tmp_path: Path) -> None:
    assert bench.main(["--short", "--out", str(tmp_path)]) == 0
    results = read_results(tmp_path)
    assert list(results) == SHORT
    for name, result in results.items():
        page = fill(f"<!-- table: {name} --><!-- end --> <!-- figures: {name} --><!-- end -->", results)
        assert result.command.split()[2] in page
        assert page.count("\n|") > 2
