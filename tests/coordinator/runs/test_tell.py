"""Whatever there is to say, it fits on a screen; machines get all of it."""

import json
from dataclasses import replace

import pytest

from coordinator.ingest.tell import tell_ingest
from coordinator.runs.tell import tell_run, tell_runs
from gpu_workers import cli
from mycelium.hint import started_as
from mycelium.manifest import Outcome
from mycelium.schema import Row
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf

SCREEN = 24
MANY = tuple(Outcome(f"{number:05d}", "failed", error="no", error_kind="ChunkError") for number in range(1000))


def test_a_thousand_failures_fit_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = replace(build_run(MemoryStore(), [make_iaf()]).manifest, outcomes=MANY)
    tell_run(manifest, as_json=False)
    out, err = capsys.readouterr()
    assert len((out + err).splitlines()) <= SCREEN
    assert "… and 980 other failed chunks" in err
    cli._tell(manifest, ["iaf"], as_json=False)
    out, err = capsys.readouterr()
    assert len((out + err).splitlines()) <= SCREEN
    assert "… and 980 others" in err


def test_what_a_failure_on_lambda_says_to_type_goes_where_the_run_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = build_run(MemoryStore(), [make_iaf()]).manifest
    manifest = replace(built, outcomes=MANY[:1], executor="lambda", trace_id="1-0-0", run_id="r-1", stage="heartbeat")
    monkeypatch.setenv("MYCELIUM_STORE", "s3://bucket/x")
    with started_as("mycelium"):
        tell_run(manifest, as_json=False, store="s3://bucket/x")
    see, logs, retry = capsys.readouterr().err.split("`")[1::2]
    assert see == "mycelium run-task heartbeat 00000 --run r-1 --pdb"
    # Without --store, `logs` looks into the deployment's bucket and not where the settings say.
    assert logs == "mycelium logs r-1 --store s3://bucket/x --failed"
    assert retry == "mycelium retry r-1 --executor lambda"
    tell_run(manifest, as_json=False, store="s3://bucket/x", deployment="mine")
    _, logs, retry = capsys.readouterr().err.split("`")[1::2]
    assert logs == "python -m coordinator logs r-1 --store s3://bucket/x --failed --deployment mine"
    assert retry == "python -m coordinator retry r-1 --executor lambda --deployment mine"


def test_a_thousand_runs_fit_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = build_run(MemoryStore(), [make_iaf()]).manifest
    runs = [("iaf", replace(manifest, run_id=f"r-{number:012d}")) for number in range(1000)]
    tell_runs(runs, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= SCREEN
    assert lines[0] == "… 980 earlier runs; --json has them"
    assert "r-000000000999" in lines[-1]
    tell_runs(runs, as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == 1000


def test_a_thousand_reasons_fit_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = build_run(MemoryStore(), [make_iaf()]).manifest
    notes: Row = {"problems": 1, "rows": 1, "duplicates": 0, "rejected": 1000, "without_level": 0}
    rejects: list[Row] = [{"reason": f"reason {number}", "rows": 1} for number in range(1000)]
    tell_ingest(replace(manifest, notes=notes, result={"rejects": rejects}), as_json=False)
    out, err = capsys.readouterr()
    assert len((out + err).splitlines()) <= SCREEN
    assert "… and 980 other reasons" in err
