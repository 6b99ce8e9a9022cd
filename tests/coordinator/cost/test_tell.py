"""What is said of costs."""

import pytest

from coordinator.cost.prices import LIST_PRICES
from coordinator.cost.tell import format_usd, tell_cost
from coordinator.cost.usage import Cost, Usage


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (0.0286311, "$0.0286"),
        (0.5, "$0.5"),
        (12.3, "$12.30"),
        (1234.567, "$1,234.57"),
        (0.00003, "$0.00003"),
        (0.0000002, "$0.0000002"),
    ],
)
def test_an_amount_is_readable_at_any_size(usd: float, text: str) -> None:
    assert format_usd(usd) == text


def test_only_kinds_that_were_used_are_told_and_what_is_missing_is(capsys: pytest.CaptureFixture[str]) -> None:
    tell_cost(Cost(Usage(transitions=1000, s3_puts=1000), LIST_PRICES, ("the seconds",)))
    assert capsys.readouterr().out.splitlines() == [
        f"cost: $0.03 (PUT and LIST $0.005, transitions $0.025), at the prices of {LIST_PRICES.of}",
        "cost: without the seconds",
    ]
    tell_cost(Cost(Usage(), LIST_PRICES))
    assert capsys.readouterr().out == ""
