"""The notebooks of the documentation execute, and show what the code does today."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdas.stages.heartbeat import HEARTBEATS
from mycelium.explore.beats import count_heartbeats
from mycelium.explore.signal import read_signal
from mycelium.manifest import find_run
from mycelium.schema import decode_chunk
from mycelium.store import LocalStore
from tests.notebooks import NOTEBOOKS, ROOT, build_store

MACHINE_DEPENDENT = (
    (re.compile(r"\b([\w.]+)-[0-9a-f]{12}\b"), r"\1-DIGEST"),  # a run's digits follow from the last bit of every signal
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00"), "TIME"),
)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d*)?")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    folder = tmp_path_factory.mktemp("notebooks")
    build_store(folder)
    return LocalStore(folder / "store")


def cells_of(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def shown_by(cell: dict[str, Any]) -> list[tuple[str, list[str], list[float]]]:
    """Return, for each output of a cell: its kinds, and the words and numbers of its plain text."""
    found = []
    for output in cell["outputs"]:
        text = "".join(output.get("text", "")) + "".join(output.get("data", {}).get("text/plain", ""))
        for pattern, name in MACHINE_DEPENDENT:
            text = pattern.sub(name, text)
        kinds = f"{output['output_type']} {output.get('name', '')} {sorted(output.get('data', {}))}"
        words = NUMBER.sub("0", text).split()
        found.append((kinds, words, [float(number.replace(",", "")) for number in NUMBER.findall(text)]))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_executes_and_shows_what_is_committed(path: Path, store: LocalStore, tmp_path: Path) -> None:
    folder = Path(store.uri.removeprefix("file://")).parent
    command = [sys.executable, "-m", "tests.notebooks", str(folder), str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200)
    assert answer.returncode == 0, answer.stderr
    now = cells_of(tmp_path / path.name)
    for cell, committed in zip(now, cells_of(path), strict=True):
        source = "".join(cell["source"])
        assert committed["execution_count"] == cell["execution_count"], "run `python -m tests.notebooks`"
        for (kinds, words, numbers), (kinds_then, words_then, numbers_then) in zip(
            shown_by(cell), shown_by(committed), strict=True
        ):
            assert "stderr" not in kinds, source
            assert (kinds, words) == (kinds_then, words_then), f"run `python -m tests.notebooks`: {source}"
            # Another processor may round a signal's last bit another way, and so count one token otherwise.
            for number, then in zip(numbers, numbers_then, strict=True):
                assert math.isclose(number, then, rel_tol=0.02, abs_tol=1), f"run `python -m tests.notebooks`: {source}"


def test_a_notebook_shows_an_output_of_every_cell() -> None:
    for path in NOTEBOOKS:
        for cell in cells_of(path):
            assert cell["outputs"], "".join(cell["source"])
    assert NOTEBOOKS


def test_every_problem_of_a_run_has_the_beats_that_the_stage_counted(store: LocalStore) -> None:
    by_stage = [
        row
        for ref in find_run(store, "heartbeats/sample").chunks(HEARTBEATS.name).values()
        for row in decode_chunk(store.get(ref.key), HEARTBEATS)[0].to_pylist()
    ]
    counted = count_heartbeats(read_signal(store, "iaf/sample")).rows()
    columns = list(counted[0])
    keys = sorted([str(row[name]) for name in columns] for row in counted)
    assert keys == sorted([str(row[name]) for name in columns] for row in by_stage)
    assert len(keys) == 8 * 8 * 20
