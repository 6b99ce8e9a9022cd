"""Whatever there is to say, it fits on a screen; machines get all of it."""

import json
from dataclasses import replace

import pytest

from coordinator import tell
from gpu_workers import cli
from mycelium.manifest import Outcome
from mycelium.schema import Row
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf

SCREEN = 24
MANY = tuple(Outcome(f"{number:05d}", "failed", error="no", error_kind="ChunkError") for number in range(1000))


def test_a_thousand_failures_fit_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = replace(build_run(MemoryStore(), [make_iaf()]).manifest, outcomes=MANY)
    tell.tell_run(manifest, as_json=False)
    out, err = capsys.readouterr()
    assert len((out + err).splitlines()) <= SCREEN
    assert "… and 980 other failed chunks" in err
    cli._tell(manifest, ["iaf"], as_json=False)
    out, err = capsys.readouterr()
    assert len((out + err).splitlines()) <= SCREEN
    assert "… and 980 others" in err


def test_a_thousand_runs_fit_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = build_run(MemoryStore(), [make_iaf()]).manifest
    runs = [("iaf", replace(manifest, run_id=f"r-{number:012d}")) for number in range(1000)]
    tell.tell_runs(runs, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= SCREEN
    assert lines[0] == "… 980 earlier runs; --json has them"
    assert "r-000000000999" in lines[-1]
    tell.tell_runs(runs, as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == 1000


def test_a_thousand_reasons_fit_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = build_run(MemoryStore(), [make_iaf()]).manifest
    notes: Row = {"problems": 1, "rows": 1, "duplicates": 0, "rejected": 1000, "without_level": 0}
    rejects: list[Row] = [{"reason": f"reason {number}", "rows": 1} for number in range(1000)]
    tell.tell_ingest(replace(manifest, notes=notes, result={"rejects": rejects}), as_json=False)
    out, err = capsys.readouterr()
    assert len((out + err).splitlines()) <= SCREEN
    assert "… and 980 other reasons" in err
