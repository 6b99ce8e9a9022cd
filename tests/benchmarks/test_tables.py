"""The documentation's figures are those of benchmarks/results."""

import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.claims import CLAIMS
from benchmarks.record import ROOT, encode
from benchmarks.result import Column, Figure, Machine, Result, Table
from benchmarks.tables import MARK, fill, find_pages, read_results

MACHINE = Machine("a processor", 2, 25.3, "Linux", "3.11.7")
TABLES = (
    Table("", (Column("time", "s"), Column("word")), (("ours", (1.0, 3.0), "a|b"), ("peer", 4.0, "c")), "one"),
    Table("The other.", (Column("n"),), (("x", 1),), "two"),
)
FIGURES = (Figure("speed", "how fast", 2.0, "s", "peer", 4.0, at_most=3),)
RESULT = Result("c", "A claim", "python -m x", "2026-11-20", "abc", MACHINE, (2.0,), 1.0, (), TABLES, FIGURES)
PAGES = find_pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_page_says_what_was_measured(page: Path) -> None:
    text = page.read_text()
    assert fill(text, read_results()) == text, "run `python -m benchmarks.tables`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_mark_is_known_and_closed(page: Path) -> None:
    text = page.read_text()
    found = [match[4] for match in MARK.finditer(text)]
    assert len(found) == text.count("<!-- end -->")
    assert len(found) == len(re.findall(r"<!-- (?:\w+: |claims)(?!begin|end)", text))
    assert not any("<!--" in body for body in found)
    # At the start of a line a comment would end the paragraph.
    assert not re.search(r"^<!-- figure:", text, re.MULTILINE)


def test_results_are_of_claims_and_by_their_commands_or_say_why_not() -> None:
    for name, result in read_results().items():
        assert result.claim == name
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", result.date)
        assert result.tables
        if not result.by_hand:
            assert result.command == CLAIMS[name].command
            assert result.commit
            assert result.load


def test_a_table_is_followed_by_where_it_comes_from() -> None:
    page = fill("before\n\n<!-- table: c one --> <!-- end -->\n\nafter", {"c": RESULT})
    assert page == (
        "before\n\n<!-- table: c one -->\n\n| | time, s | word | spread |\n|---|--:|---|--:|\n"
        "| ours | 2.00 | a\\|b | ±50 % |\n| peer | 4.00 | c | |\n\n"
        "`python -m x`, 2026-11-20, commit abc; a processor, 2 cores, 25 GB, Linux, Python 3.11.7, load 2.0\n\n"
        "<!-- end -->\n\nafter"
    )
    assert fill(page, {"c": RESULT}) == page


def test_all_tables_figures_and_the_origin_of_a_claim_can_be_asked_for() -> None:
    every = fill("<!-- table: c --><!-- end -->", {"c": RESULT})
    assert "| ours | 2.00 |" in every
    assert "The other.\n\n| | n |" in every
    assert "| how fast | 2.00 s | 4.00 (peer) | 0.500 | ≤ 3 s | met |" in fill(
        "<!-- figures: c --><!-- end -->", {"c": RESULT}
    )
    assert fill("It took <!-- figure: c speed -->9 s<!-- end -->.", {"c": RESULT}) == (
        "It took <!-- figure: c speed -->2.00 s<!-- end -->."
    )
    assert "`python -m x`, 2026-11-20" in fill("<!-- origin: c --><!-- end -->", {"c": RESULT})
    assert "| c | how fast | 2.00 s | 4.00 (peer) | 0.500 | ≤ 3 s | met | `python -m x` | 2026-11-20 |" in fill(
        "<!-- claims --><!-- end -->", {"c": RESULT}
    )


@pytest.mark.parametrize("mark", ["table: d", "table: c three", "figure: c size", "figure: c"])
def test_a_mark_that_names_nothing_is_refused(mark: str) -> None:
    with pytest.raises(KeyError, match="there is no"):
        fill(f"<!-- {mark} --> <!-- end -->", {"c": RESULT})


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tables", *words])
    return tables.main()


def test_a_figure_that_was_changed_by_hand_is_found_and_mended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs" / "adr").mkdir(parents=True)
    (tmp_path / "c.json").write_text(encode(RESULT))
    page, decision = tmp_path / "docs" / "page.md", tmp_path / "docs" / "adr" / "0001.md"
    page.write_text(fill("<!-- table: c --> <!-- end -->", {"c": RESULT}))
    decision.write_text("<!-- table: c --> <!-- end -->")
    where = ["--results", str(tmp_path), "--root", str(tmp_path)]
    assert run(monkeypatch, "--check", *where) == 0
    page.write_text(page.read_text().replace("2.00", "1.00"))
    assert run(monkeypatch, "--check", *where) == 1
    assert "docs/page.md" in capsys.readouterr().out
    assert "1.00" in page.read_text()
    assert run(monkeypatch, *where) == 0
    assert "1.00" not in page.read_text()
    assert decision.read_text() == "<!-- table: c --> <!-- end -->"


NOT_MEASURED = {
    "| kind | for one | source |": "list prices",
    "| chunks | task s | `lambda` |": "simulated, and written by coordinator.simulate.page",
    "| one chunk takes | one after the other |": "simulated, by `simulate`",
}
"""Tables of numbers, by how their heads begin, that no benchmark measures; and what they are."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_table_of_numbers_is_written_from_what_was_measured(page: Path) -> None:
    text = page.read_text()
    lines = [] if "<!-- Made " in text else MARK.sub("", text).splitlines()  # those pages are made from code
    heads = [head for head, rule in pairwise(lines) if re.fullmatch(r"\|[-:|]*--:[-:|]*", rule)]
    assert [head for head in heads if not head.startswith(tuple(NOT_MEASURED))] == []
