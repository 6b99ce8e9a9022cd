"""A budget is made where one is asked for."""

from collections.abc import Callable

from tests.infra.templates import Cloud


def test_there_is_no_budget_unasked(cloud: Cloud) -> None:
    assert not cloud.main_resources("AWS::Budgets::Budget")


def test_an_amount_makes_a_budget(deploy_with: Callable[..., Cloud]) -> None:
    (budget,) = deploy_with(budget_usd="20").main_properties("AWS::Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 20, "Unit": "USD"}
    assert "NotificationsWithSubscribers" not in budget


def test_an_address_hears_of_the_budget_before_it_is_spent(deploy_with: Callable[..., Cloud]) -> None:
    (budget,) = deploy_with(budget_usd="20", email="you@example.org").main_properties("AWS::Budgets::Budget")
    told = budget["NotificationsWithSubscribers"]
    assert [found["Notification"]["NotificationType"] for found in told] == ["ACTUAL", "FORECASTED"]
    assert all(found["Subscribers"][0]["Address"] == "you@example.org" for found in told)
