"""How cells, tables and figures are written."""

import pytest

from benchmarks.layout import figures_table, format_cell, format_origin, format_text, lay_out
from benchmarks.result import Cell, Column, Figure, Machine, Result, Table

MACHINE = Machine("a processor (x86_64)", 2, 25.3, "Linux", "3.11.7")


@pytest.mark.parametrize(
    ("cell", "form", "text"),
    [
        (None, "", ""),
        ("as it is", "", "as it is"),
        ((), "", "–"),
        (0, "", "0"),
        (0.0, "", "0"),
        (117, "", "117"),
        (5850, "", "5,850"),
        (0.05524, "", "0.0552"),
        (2.0, "", "2.00"),
        (123.4, "", "123"),
        (1234.5, "", "1,234"),
        ((1.0, 9.0, 2.0), "", "2.00"),
        (-3.5816, ".3f", "−3.582"),
        (0.9, ".0%", "90%"),
    ],
)
def test_a_cell_has_three_digits_that_matter_unless_told_otherwise(cell: Cell, form: str, text: str) -> None:
    assert format_cell(cell, form) == text


def test_a_table_has_a_ratio_to_its_base_and_the_greatest_spread_of_a_row() -> None:
    rows = (("ours", (1.0, 1.2, 1.1), (10.0, 20.0)), ("peer", (2.2, 2.2), 7), ("none", None, None))
    table = Table("", (Column("time", "s"), Column("size", "MB")), rows, base="ours", by="time")
    assert lay_out(table) == [
        ["", "time, s", "size, MB", "× ours", "spread"],
        ["ours", "1.10", "15.0", "1.00", "±33 %"],
        ["peer", "2.20", "7", "2.00", "±0 %"],
        ["none", "", "", "", ""],
    ]


def test_what_was_taken_once_has_no_spread_and_the_best_is_marked() -> None:
    table = Table(
        "", (Column("a", best="least"), Column("b", best="most")), (("x", 1, 2), ("y", 3, 4), ("z", None, ""))
    )
    assert lay_out(table, "**") == [["", "a", "b"], ["x", "**1**", "2"], ["y", "3", "**4**"], ["z", "", ""]]
    assert lay_out(table)[1] == ["x", "1", "2"]


@pytest.mark.parametrize(
    ("figure", "row"),
    [
        (Figure("f", "what", 0.055, "ms", "pool", 0.11, at_most=0.05), ["what", "0.0550 ms", "0.110 (pool)", "0.500"]),
        (Figure("f", "what", (3.0, 5.0), at_most=4, at_least=2), ["what", "4.00", "", "", "≤ 4 and ≥ 2", "met"]),
        (Figure("f", "what", 1.5, "×", at_least=2), ["what", "1.50 ×", "", "", "≥ 2 ×", "missed"]),
        (Figure("f", "what", None, at_least=2), ["what", "", "", "", "≥ 2", ""]),
        (Figure("f", "what", 3), ["what", "3", "", "", "", ""]),
    ],
)
def test_a_figure_stands_beside_its_peer_and_says_whether_it_is_met(figure: Figure, row: list[str]) -> None:
    assert lay_out(figures_table([figure]))[1][: len(row)] == row


def test_a_result_says_command_date_commit_machine_load_and_peers() -> None:
    tables = (Table("Of `code`", (Column("n"),), (("a", 1),)),)
    result = Result("c", "A claim", "python -m x", "2026-11-20", "abc", MACHINE, (2.0, 3.5), 1.0, ("peer 1.2",), tables)
    line = (
        "`python -m x`, 2026-11-20, commit abc; a processor (x86_64), 2 cores, 25 GB, Linux, Python 3.11.7, "
        "load 2.0 to 3.5; peer 1.2"
    )
    assert format_origin(result) == line
    assert format_text(result) == f"\nA claim\n\nOf code\n   n\na  1\n\n{line}"
