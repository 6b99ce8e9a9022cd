"""Tables of simulated runs: the terminal's, and those of docs/scale.md, by `python -m coordinator.simulate.page`."""

from collections.abc import Sequence
from pathlib import Path

from coordinator.cost.prices import PriceTable
from coordinator.cost.usage import Cost
from coordinator.simulate.conditions import render_conditions
from coordinator.simulate.limits import AWS, Limits
from coordinator.simulate.ways import FACTORS, Way, advise, try_lambda, try_step_functions
from coordinator.simulate.work import Work, stated_work
from mycelium.progress import format_seconds
from mycelium.schema import Row

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN, END = "<!-- simulated: begin -->", "<!-- simulated: end -->"
CONDITIONS_BEGIN, CONDITIONS_END = "<!-- conditions: begin -->", "<!-- conditions: end -->"

STATED = ("0.1:0.5", "0.3:0.5", "1:0.5", "10:0.5")
"""Medians and sigmas of the tasks in the page's table."""

CHUNKS = (10_000, 100_000, 1_000_000)


def simulate_all(work: Work, n_chunks: int, limits: Limits = AWS, seed: int = 0) -> list[Way]:
    """Simulate every way for so many chunks."""
    ways = [try_lambda(work, n_chunks, limits, factor, seed) for factor in FACTORS if factor < n_chunks]
    return [*ways, try_step_functions(work, n_chunks, limits, seed=seed)]


def rows_of(ways: Sequence[Way], n_chunks: int, prices: PriceTable) -> list[Row]:
    """Return ways as rows of a table."""
    rows: list[Row] = []
    for way in ways:
        row: Row = {
            "chunks": n_chunks,
            "executor": way.executor,
            "made one": way.factor,
            "wall_s": way.wall_s,
            "sequential_s": way.sequential_s,
            "faster": way.sequential_s / way.wall_s if way.wall_s else 0.0,
            "bound by": way.run.bound_by,
            "at once": way.run.most_at_once,
            "puts_s": way.puts_s,
            "timeouts": way.run.timeouts,
        }
        rows.append(row | {"usd": Cost(way.usage, prices).usd})
    return rows


def page_rows(n_chunks: int) -> list[str]:
    """Return the lines of the page's table for so many chunks."""
    lines = []
    for stated in STATED:
        ways = simulate_all(stated_work(stated), n_chunks)
        by_name = {(way.executor, way.factor): way for way in ways}
        names = [*(("lambda", factor) for factor in FACTORS), ("step-functions", 1)]
        cells = [_say_time(by_name[name]) for name in names]
        one = by_name["lambda", 1]
        lines.append(
            f"| {n_chunks:,} | {stated.partition(':')[0]} | {' | '.join(cells)} | {one.run.bound_by} | "
            f"{one.run.most_at_once:,} | {one.puts_s:,.0f} | {advise(ways, AWS)} |"
        )
    return lines


def _say_time(way: Way) -> str:
    return "tasks time out" if way.run.timeouts else format_seconds(way.wall_s)


def render() -> str:
    """Return the page's table."""
    names = ["chunks", "task s", "`lambda`", "10 made one", "100 made one", "`step-functions`"]
    more = ["`lambda` is bound by", "at once", "PUT/s", "take"]
    head = [f"| {' | '.join([*names, *more])} |", "|--:|--:|--:|--:|--:|--:|---|--:|--:|---|"]
    return "\n".join([*head, *(line for n_chunks in CHUNKS for line in page_rows(n_chunks))])


def replace_between(text: str, begin: str, end: str, new: str) -> str:
    """Return a page with something new between two marks."""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write both tables into the page."""
    text = replace_between(PAGE.read_text(), BEGIN, END, render())
    conditions = render_conditions(AWS, stated_work(STATED[0]))
    PAGE.write_text(replace_between(text, CONDITIONS_BEGIN, CONDITIONS_END, conditions))


if __name__ == "__main__":
    main()
