"""The page of simulated runs is what the simulation says."""

from dataclasses import replace

import pytest

from coordinator.cost.prices import LIST_PRICES
from coordinator.simulate import page
from coordinator.simulate.page import BEGIN, END, PAGE, page_rows, rows_of, simulate_all
from coordinator.simulate.work import stated_work


def test_the_page_says_what_the_simulation_says() -> None:
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert "python -m coordinator.simulate.page" in PAGE.read_text()
    for line in page_rows(10_000):  # those of a million chunks take half a minute
        assert line in table
    assert table.count("\n| ") == 1 + len(page.CHUNKS) * len(page.STATED)


def test_rows_say_what_each_way_costs() -> None:
    work = replace(stated_work("0.5", init_s=0.0), memory_mb=1024)
    row, *_, states = rows_of(simulate_all(work, 200), 200, LIST_PRICES)
    prices = LIST_PRICES
    gb_s, requests = 200 * 0.5 * prices.lambda_arm64_gb_s, 200 * prices.lambda_request
    assert row["usd"] == pytest.approx(gb_s + requests + 200 * prices.s3_get + 200 * prices.s3_put)
    # Two invocations and two reads of each chunk, and three transitions.
    more = requests + 200 * prices.s3_get + 600 * prices.transition
    assert states["usd"] == pytest.approx(float(str(row["usd"])) + more)
    assert [row["made one"] for row in rows_of(simulate_all(work, 200), 200, LIST_PRICES)] == [1, 10, 100, 1]
