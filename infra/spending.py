"""A budget that says when a month costs more than it should."""

from aws_cdk import aws_budgets as budgets
from constructs import Construct


class Spending(Construct):
    """A monthly budget of the whole account."""

    def __init__(self, scope: Construct, construct_id: str, *, deployment: str, limit_usd: int, email: str) -> None:
        """Make it.

        Args:
            scope: the stack.
            construct_id: its name there.
            deployment: the deployment's name.
            limit_usd: what a month may cost.
            email: who is told at four fifths of it, and when it is forecast to be passed; nobody if empty.
        """
        super().__init__(scope, construct_id)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=f"{deployment}-monthly",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=limit_usd, unit="USD"),
            ),
            notifications_with_subscribers=_notifications(email) if email else None,
        )


def _notifications(email: str) -> list[budgets.CfnBudget.NotificationWithSubscribersProperty]:
    return [
        budgets.CfnBudget.NotificationWithSubscribersProperty(
            notification=budgets.CfnBudget.NotificationProperty(
                comparison_operator="GREATER_THAN",
                notification_type=kind,
                threshold=percent,
                threshold_type="PERCENTAGE",
            ),
            subscribers=[budgets.CfnBudget.SubscriberProperty(address=email, subscription_type="EMAIL")],
        )
        for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
    ]
