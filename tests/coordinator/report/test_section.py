"""Sections: no figure without its numbers, and numbers as a reader wants them."""

import pytest

from coordinator.report.section import Section, Table, show_cell


def test_a_figure_without_words_or_numbers_is_refused() -> None:
    rows = Table("numbers", [{"a": 1}])
    Section("one", "One", (rows,), figure={}, label="one bar")
    for tables, label in (((), "one bar"), ((Table("none", []),), "one bar"), ((rows,), "")):
        with pytest.raises(ValueError, match="figure one needs a label and a table behind it"):
            Section("one", "One", tables, figure={}, label=label)


def test_columns_of_numbers_are_told_from_text() -> None:
    table = Table("some", [{"n": 1, "x": None, "word": "a"}, {"n": None, "x": 0.5, "word": "b"}])
    assert table.columns == ["n", "x", "word"]
    assert [table.is_number(column) for column in table.columns] == [True, True, False]
    assert Table("none", []).columns == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (True, "yes"), (1234567, "1,234,567"), (0.12345, "0.123"), (1234.5, "1,234.50"), ("<b>", "<b>")],
)
def test_a_value_is_shown_for_readers(value: object, shown: str) -> None:
    assert show_cell(value) == shown
