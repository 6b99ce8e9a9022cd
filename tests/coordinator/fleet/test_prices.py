"""Prices are of a region and a date, and what is not known is asked for."""

import pytest

from coordinator.fleet.prices import ON_DEMAND, find_prices
from mycelium.errors import UserInputError


def test_a_price_is_of_a_region() -> None:
    prices = find_prices("g5.xlarge", "us-east-1")
    assert prices["on-demand"] == 1.006
    assert 0 < prices["spot"] < prices["on-demand"]


def test_who_knows_better_is_believed() -> None:
    assert find_prices("p5.48xlarge", "eu-north-1", given=50.0, spot=20.0) == {"on-demand": 50.0, "spot": 20.0}


@pytest.mark.parametrize(
    ("instance_type", "region", "said"),
    [("g5.metal", "us-east-1", "known there: g4dn.xlarge"), ("g5.xlarge", "mars-1", "prices are known of us-east-1")],
)
def test_no_price_says_what_to_give(instance_type: str, region: str, said: str) -> None:
    with pytest.raises(UserInputError, match=f"{said}.*give --price"):
        find_prices(instance_type, region)


def test_every_price_is_one() -> None:
    assert all(0 < price < 200 for prices in ON_DEMAND.values() for price in prices.values())
