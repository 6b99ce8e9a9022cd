"""AWS::Budgets::Budget."""

from typing import Any

from localstack_process_executor.resources.base import Model, Resource, named, schema


class Budget(Resource):
    """A budget with its notifications."""

    SCHEMA = schema("AWS::Budgets::Budget", "BudgetName")
    kept = ("BudgetName", "AccountId")

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: D102, ANN401 - see the base
        model["AccountId"] = request.account_id
        budget = dict(model["Budget"])
        named(budget, "BudgetName", request)
        model["BudgetName"] = budget["BudgetName"]
        self._create(model, clients)

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        # Moto has no UpdateBudget.
        self.remove(previous, clients)
        self._create(model, clients)

    def remove(self, model: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.budgets.delete_budget(AccountId=model["AccountId"], BudgetName=model["BudgetName"])

    @staticmethod
    def _create(model: Model, clients: Any) -> None:  # noqa: ANN401 - LocalStack is not typed
        budget = {**model["Budget"], "BudgetName": model["BudgetName"]}
        if limit := budget.get("BudgetLimit"):
            # The API wants the amount as a string, CloudFormation as a number.
            budget["BudgetLimit"] = {**limit, "Amount": str(limit["Amount"])}
        clients.budgets.create_budget(
            AccountId=model["AccountId"],
            Budget=budget,
            NotificationsWithSubscribers=model.get("NotificationsWithSubscribers") or [],
        )
