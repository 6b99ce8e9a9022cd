"""Tables of simulated runs: the terminal's, and that of docs/scale.md, by `python -m coordinator.simulate.page`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from coordinator.simulate.limits import AWS, Limits
from coordinator.simulate.ways import FACTORS, Way, advise, try_lambda, try_step_functions
from coordinator.simulate.work import Work, stated_work
from mycelium.progress import format_seconds
from mycelium.schema import Row

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN, END = "<!-- simulated: begin -->", "<!-- simulated: end -->"

STATED = ("0.1:0.5", "0.3:0.5", "1:0.5", "10:0.5")
"""Medians and sigmas of the tasks in the page's table."""

CHUNKS = (10_000, 100_000, 1_000_000)

Usd = Callable[[Way], float | None]
"""What a way costs; who knows prices gives it."""


def simulate_all(work: Work, n_chunks: int, limits: Limits = AWS, seed: int = 0) -> list[Way]:
    """Simulate every way for so many chunks."""
    ways = [try_lambda(work, n_chunks, limits, factor, seed) for factor in FACTORS if factor < n_chunks]
    return [*ways, try_step_functions(work, n_chunks, limits, seed=seed)]


def rows_of(ways: Sequence[Way], n_chunks: int, usd: Usd | None = None) -> list[Row]:
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
        rows.append(row if usd is None else row | {"usd": usd(way)})
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


def main() -> None:
    """Write the table into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{render()}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
