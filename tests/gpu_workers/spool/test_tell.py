"""How the uploader shows itself, to people and to machines."""

import io
import json
import sys
from dataclasses import replace

import pytest

from gpu_workers.spool.daemon import Look
from gpu_workers.spool.meter import Counts
from gpu_workers.spool.spool import Level
from gpu_workers.spool.tell import JsonTell, PlainTell, describe, telling

LOOK = Look(Counts(1234, 5_000_000_000, 2, 7), Level(250_000_000, 0, 60), 60, 16, 500_000_000, 500_000_000, 4.2e8, 12.0)
SLOW = Look(Counts(conflicts=2, refused=1), Level(50_000_000, 9, 3), 3, 3, 500_000_000, 81_000_000, 1e6, 60.0)


def test_a_line_says_all_that_counts() -> None:
    assert describe(LOOK) == ("upload: 1,234 chunks, 5,000 MB, 420.0 MB/s, spool 250/500 MB, 60 waiting, 7 retries")
    assert describe(SLOW) == (
        "upload: 0 chunks, 0 MB, 1.0 MB/s, spool 50/500 MB (cap 81: slow link), 3 waiting, 0 retries, "
        "2 conflicts, 1 refused"
    )


def test_machines_read_json_lines() -> None:
    stream = io.StringIO()
    tell = JsonTell(stream)
    tell.look(LOOK)
    tell.event("conflict", "another object 'a'\nis there")
    level, event = map(json.loads, stream.getvalue().splitlines())
    assert (level["kind"], level["files"], level["bytes"], level["mb_per_s"]) == ("level", 1234, 5_000_000_000, 420.0)
    assert (level["spool_bytes"], level["budget_bytes"], level["retries"]) == (250_000_000, 500_000_000, 7)
    assert (event["kind"], event["line"]) == ("conflict", "another object 'a'\nis there")


def test_in_a_pipe_there_is_a_line_now_and_then_and_retries_are_only_counted() -> None:
    stream = io.StringIO()
    tell = PlainTell(stream)
    for _ in range(5):
        tell.look(LOOK)
    tell.event("retry", "503")
    tell.event("conflict", "another object")
    tell.look(replace(LOOK, last=True))
    assert stream.getvalue().splitlines() == [describe(LOOK), "conflict: another object", describe(LOOK)]


def test_the_place_decides(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with telling(as_json=True) as tell:
        tell.event("swept", "x")
    with telling() as tell:
        tell.event("swept", "y")
    out, err = capsys.readouterr()
    assert json.loads(out)["line"] == "x"
    assert err == "swept: y\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with telling() as tell:
        tell.look(LOOK)
        tell.event("conflict", "[red]a key[/] as it is")
        tell.event("retry", "not shown")
    err = capsys.readouterr().err
    assert "[red]a key[/] as it is" in err
    assert "spool 250/500 MB" in err
    assert "not shown" not in err
