"""Frames: what they show, what they become, and what they say where a package is missing."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mycelium.errors import MissingPackageError
from mycelium.explore.frame import SHOWN, Frame, import_package, show_value

FRAME = Frame(
    pa.table(
        {
            "problem_id": pa.array(["p0", "p1", "p1"]).dictionary_encode(),
            "level": pa.array([1, None, 5], pa.int8()),
            "iaf": np.array([0.1, 1.0, 0.5], np.float16),
        }
    )
)


def test_it_shows_its_rows_in_columns() -> None:
    assert repr(FRAME).splitlines() == [
        "problem_id  level  iaf",
        "p0          1      0.100",
        "p1          –      1.000",
        "p1          5      0.500",
    ]


def test_of_many_rows_it_shows_the_first_and_the_number() -> None:
    lines = repr(Frame(pa.table({"n": range(1234)}))).splitlines()
    assert len(lines) == SHOWN + 2
    assert lines[-1] == "… 1,234 rows"


def test_in_html_hostile_text_stays_text() -> None:
    page = Frame(pa.table({"<b>": ["<script>alert(1)</script>"]}))._repr_html_()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


def test_a_value_is_shown_on_one_line_and_cut_short() -> None:
    assert show_value("a\nb\x1b[31m") == "a b [31m"
    assert show_value("x" * 1000) == "x" * 39 + "…"
    assert [show_value(value) for value in (None, 0.12345, 3, True)] == ["–", "0.123", "3", "True"]


def test_every_library_gets_the_same_values() -> None:
    halves = (0.0999755859375, 1.0, 0.5)
    assert [row["iaf"] for row in FRAME.rows()] == list(halves)
    assert [row["level"] for row in FRAME.rows()] == [1, None, 5]
    assert FRAME.arrow() is FRAME.table
    assert FRAME.polars().to_dicts() == FRAME.rows()
    frame = FRAME.pandas()
    assert list(frame["iaf"]) == list(halves)
    assert list(frame.groupby("problem_id", observed=True)["iaf"].mean()) == [halves[0], 0.75]
    assert len(FRAME) == len(frame) == 3


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_library_that_is_not_there_is_named_with_what_to_type(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f"needs {package}.* pip install {package}") as caught:
        getattr(FRAME, package)()
    assert isinstance(caught.value, ImportError)


def test_a_package_that_is_there_and_broken_says_so_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        import_package("broken_package")
