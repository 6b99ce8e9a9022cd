"""`compare` as a person types it, and templates of another run applied."""

import json

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.store import LocalStore


def test_the_command_prints_tables_or_json(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "part", "whole", "--store", store.uri]
    assert call_command(coordinator, "coordinator", words) == 0
    told = capsys.readouterr().out
    assert "240 steps in both; adjusted mutual information" in told
    assert "goes on" in told
    assert call_command(coordinator, "coordinator", [*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["common"] == 240
    assert found["matches"][0]["first_name"] in {"add", "binomial", "div", "mul", "sub"}


def test_templates_of_another_run_are_applied_from_the_command_line(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "run-stage",
        "templates",
        "--store",
        store.uri,
        "--quiet",
        "--json",
        "--max-workers",
        "1",
        "--min-size",
        "10",
    ]
    words += ["--input", "part", "--fit-of", "whole"]
    assert call_command(coordinator, "coordinator", words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["result"]["fit"][0]["steps"] == 288
    assert sum(row["steps"] for row in told["result"]["templates"]) == 240
