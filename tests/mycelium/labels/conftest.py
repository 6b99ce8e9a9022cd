"""The real data beside the repository, where it is there."""

import gzip
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


def data_folder() -> Path:
    """Return where the real data lie: MYCELIUM_DATA, or ../shared/data beside the repository."""
    return Path(os.environ.get("MYCELIUM_DATA", ROOT.parent / "shared" / "data"))


@cache
def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture
def rows() -> Callable[[str], list[dict[str, Any]]]:
    """Read one file of the real data, or skip."""

    def read(name: str) -> list[dict[str, Any]]:
        path = data_folder() / name
        if not path.is_file():
            pytest.skip(f"the real data are not here: no {path}; set MYCELIUM_DATA to their folder")
        return _rows(path)

    return read


@pytest.fixture
def annotations(rows: Callable[[str], list[dict[str, Any]]]) -> list[str]:
    """Every calculator annotation of GSM8K."""
    return [part.partition(">>")[0] for row in rows("gsm8k_train.jsonl.gz") for part in row["answer"].split("<<")[1:]]
