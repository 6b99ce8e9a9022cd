"""`ingest` as a person types it."""

import json
from pathlib import Path

from tests.coordinator.command_line import Cli


def test_ingest_tells_what_became_of_the_rows(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "problem": "p", "cot": "c"}\nbad\n')
    code, out, err = cli("ingest", "a.jsonl", "--dataset", "mine", "--quiet")
    assert code == 0
    assert "1 problems of mine in 1 chunks" in out
    assert "2 rows: 0 duplicates, 1 rejected, 1 problems without a level" in out
    assert "rejected 1: not JSON" in err
    assert json.loads(cli("ingest", "a.jsonl", "--dataset", "mine", "--json", "--quiet")[1])["notes"]["rejected"] == 1


def test_a_file_and_a_name_are_needed(cli: Cli, tmp_path: Path) -> None:
    assert "Missing" in cli.fails("ingest", "--dataset", "x")
    (tmp_path / "a.jsonl").write_text("{}")
    assert "Missing option '--dataset'" in cli.fails("ingest", "a.jsonl")
    assert "can't be read" in cli.fails("ingest", "missing.jsonl", "--dataset", "x")
    assert "--field takes OURS=THEIRS" in cli.fails("ingest", "a.jsonl", "--dataset", "x", "--field", "zzz")
