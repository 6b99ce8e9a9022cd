"""Limits: AWS's, and none under which nothing runs."""

import pytest

from coordinator.simulate.limits import AWS, Limits
from mycelium.errors import UserInputError


def test_the_limits_are_those_of_an_account_that_asked_for_nothing() -> None:
    assert (AWS.concurrency, AWS.burst, AWS.starts_per_s) == (1000, 1000, 100)
    assert (AWS.puts_per_s, AWS.gets_per_s, AWS.n_prefixes, AWS.timeout_s) == (3500, 5500, 1, 900)


@pytest.mark.parametrize("name", ["concurrency", "puts_per_s", "timeout_s", "n_prefixes"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UserInputError, match=f"{name} is above 0; got 0"):
        Limits(**{name: 0})


def test_no_time_is_negative() -> None:
    with pytest.raises(UserInputError, match="a time is 0 or more"):
        Limits(dispatch_s=-1)
