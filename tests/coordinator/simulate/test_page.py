"""The page of simulated runs is what the simulation says."""

from coordinator.simulate import page
from coordinator.simulate.page import BEGIN, END, PAGE, page_rows, rows_of, simulate_all
from coordinator.simulate.work import stated_work


def test_the_page_says_what_the_simulation_says() -> None:
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert "python -m coordinator.simulate.page" in PAGE.read_text()
    for line in page_rows(10_000):  # those of a million chunks take half a minute
        assert line in table
    assert table.count("\n| ") == 1 + len(page.CHUNKS) * len(page.STATED)


def test_rows_have_dollars_where_someone_knows_prices() -> None:
    ways = simulate_all(stated_work("0.3"), 200)
    assert [row["made one"] for row in rows_of(ways, 200)] == [1, 10, 100, 1]
    assert "usd" not in rows_of(ways, 200)[0]
    assert rows_of(ways, 200, lambda way: way.requests * 0.5)[0]["usd"] == 100.0
