"""The arithmetic of costs: kinds add up, more of anything is never cheaper, and nothing costs nothing."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cost.prices import LIST_PRICES
from coordinator.cost.usage import Cost, Usage, add_usages

AMOUNTS = st.floats(0, 1e9)
USAGES = st.builds(Usage, *(AMOUNTS for _ in fields(Usage)))


def usd(usage: Usage) -> float:
    return Cost(usage, LIST_PRICES).usd


def test_a_thousand_chunks_of_a_second_cost_what_the_documentation_says() -> None:
    usage = Usage(gb_s=1000 * 1769 / 1024, lambda_requests=1000, s3_gets=1000, s3_puts=1000)
    cost = Cost(usage, LIST_PRICES)
    assert cost.by_kind["gb_s"] == pytest.approx(0.02303, abs=1e-5)
    assert cost.by_kind["lambda_requests"] == pytest.approx(0.0002)
    assert cost.by_kind["s3_gets"] == pytest.approx(0.0004)
    assert cost.by_kind["s3_puts"] == pytest.approx(0.005)
    assert usd(usage) == pytest.approx(0.02863, abs=1e-5)
    assert usd(Usage(transitions=1000)) == pytest.approx(0.025)


@given(st.lists(USAGES, max_size=5))
def test_runs_together_cost_what_they_cost_one_by_one(usages: list[Usage]) -> None:
    assert usd(add_usages(usages)) == pytest.approx(sum(usd(usage) for usage in usages))


@given(USAGES, USAGES)
def test_more_of_anything_is_never_cheaper(usage: Usage, more: Usage) -> None:
    assert usd(usage + more) >= usd(usage) >= 0


@given(USAGES, st.floats(0, 100))
def test_so_many_times_as_much_costs_so_many_times_as_much(usage: Usage, factor: float) -> None:
    assert usd(usage.times(factor)) == pytest.approx(usd(usage) * factor)


def test_nothing_costs_nothing() -> None:
    assert usd(Usage()) == 0.0
    assert usd(add_usages([])) == 0.0
