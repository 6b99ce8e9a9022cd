"""The documentation's figures, put into its pages from benchmarks/results.

    python -m benchmarks.tables            # writes what is between the marks
    python -m benchmarks.tables --check    # says what would change, and exits with 1 if anything would

Marks are comments, which readers don't see:

    <!-- table: CLAIM [NAME] --> … <!-- end -->     the tables of a claim, or the one of that name, and where from
    <!-- figures: CLAIM --> … <!-- end -->          its figures beside their peers and targets, and where from
    <!-- figure: CLAIM NAME --> … <!-- end -->      one figure within a sentence
    <!-- origin: CLAIM --> … <!-- end -->           where from: command, date, commit, machine, load, packages
    <!-- claims --> … <!-- end -->                  every claim that was measured
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.claims import CLAIMS
from benchmarks.layout import figures_table, format_origin, lay_out, say
from benchmarks.record import RESULTS, ROOT
from benchmarks.result import Column, Result, Table

Found = TypeVar("Found")
WIDTH = 120
MARK = re.compile(
    r"<!-- (table|figures|figure|origin|claims)(?:: ([\w-]+)(?: ([\w.-]+))?)? -->(.*?)<!-- end -->", re.DOTALL
)


def find_pages(root: Path = ROOT) -> list[Path]:
    """Return the pages that may quote figures; decisions are history, and keep theirs as they were."""
    pages = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    return [page for page in pages if page.exists() and page.parent.name != "adr"]


def read_results(folder: Path = RESULTS) -> dict[str, Result]:
    """Return every result that is kept, by its claim, in the order of `make bench`."""
    found = {path.stem: msgspec.json.decode(path.read_bytes(), type=Result) for path in sorted(folder.glob("*.json"))}
    order = {name: i for i, name in enumerate(CLAIMS)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def fill(text: str, results: Mapping[str, Result]) -> str:
    """Return a page with all that stands between marks written anew.

    Raises:
        KeyError: A mark names a claim, a table or a figure that there is not.
    """

    def write(match: re.Match[str]) -> str:
        kind, claim, name = match[1], match[2], match[3]
        start = match[0][: match.start(4) - match.start()]
        if kind == "claims":
            return f"{start}\n\n{as_markdown(claims_table(results))}\n\n<!-- end -->"
        result = _find(results, claim, "claim")
        if kind == "figure":
            figure = _find({figure.name: figure for figure in result.figures}, name, f"figure of {claim}")
            return f"{start}{say(figure)}<!-- end -->"
        return f"{start}\n\n{_render(kind, result, name)}\n\n<!-- end -->"

    return MARK.sub(write, text)


def _render(kind: str, result: Result, name: str | None) -> str:
    tables = result.tables if kind == "table" else (figures_table(result.figures),) if kind == "figures" else ()
    if name:
        tables = (_find({table.name: table for table in tables}, name, f"table of {result.claim}"),)
    parts = [part for table in tables for part in (_wrap(table.caption), as_markdown(table)) if part]
    return "\n\n".join([*parts, _wrap(format_origin(result))])


def _find(known: Mapping[str, Found], name: str, what: str) -> Found:
    if name not in known:
        raise KeyError(f"there is no {what} named {name}; there are {', '.join(known) or 'none'}")
    return known[name]


def as_markdown(table: Table) -> str:
    """Return a table as Markdown; columns that hold numbers are aligned to the right."""
    head, *rows = ([cell.replace("|", "\\|") for cell in line] for line in lay_out(table, "**"))
    is_text = [all(isinstance(row[j + 1], str | None) for row in table.rows) for j in range(len(table.columns))]
    rules = ["---", *("---" if text else "--:" for text in is_text)]
    rules += ["--:"] * (len(head) - len(rules))
    lines = [f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |") for cells in (head, *rows)]
    return "\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]])


def claims_table(results: Mapping[str, Result]) -> Table:
    """Return a table of every figure: the claim, ours, the peer's, the target, the command and the date."""
    rows = []
    for result in results.values():
        for figure in result.figures:
            _, *cells = lay_out(figures_table([figure]))[1]
            when = f"{result.date}, by hand" if result.by_hand else result.date
            rows.append((result.claim, figure.what, *cells, f"`{result.command}`", when))
    columns = tuple(map(Column, ("figure", "ours", "peer", "ratio", "target", "", "command", "date")))
    return Table("", columns, tuple(rows), label="claim")


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def write_pages(root: Path, results: Mapping[str, Result], *, check: bool = False) -> list[str]:
    """Write what stands between marks into the pages of a tree; return those that changed, or would."""
    stale = []
    for page in find_pages(root):
        before = page.read_text(encoding="utf-8")
        after = fill(before, results)
        if after != before:
            stale.append(str(page.relative_to(root)))
            if not check:
                page.write_text(after, encoding="utf-8")
    return stale


def main() -> int:
    """Write the pages, or say which of them are not current; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of JSON")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree whose pages are written")
    given = parser.parse_args()
    stale = write_pages(given.root, read_results(given.results), check=given.check)
    if stale:
        print(f"{'not current' if given.check else 'written'}: {', '.join(stale)}")
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
