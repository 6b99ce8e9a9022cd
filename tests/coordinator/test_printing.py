"""How commands print: aligned, on one screen, and with nothing in it that moves a cursor."""

import json

import pytest

from coordinator.printing import MAX_NAMED, format_table, name_some, say_json
from mycelium.schema import Row


def test_a_table_is_aligned_and_numbers_are_flush_right() -> None:
    rows: list[Row] = [{"name": "a", "count": 1000, "share": 0.5}, {"name": "long", "count": None, "share": 12.0}]
    assert format_table(rows).splitlines() == [
        "name  count  share",
        "a      1000  0.500",
        "long      –  12.00",
    ]
    assert format_table([]) == "(none)"


def test_what_is_too_much_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    name_some([f"line {i}" for i in range(MAX_NAMED + 5)], "lines")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-2:] == [f"line {MAX_NAMED - 1}", "… and 5 other lines"]


def test_control_characters_of_foreign_text_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    name_some(["bad \x1b[31m\r"], "lines")
    assert capsys.readouterr().err == "bad \N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}\n"
    assert "\x1b" not in format_table([{"id": "\x1b]0;title\x07"}])


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"a": (1, None)})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}
