"""AWS::CloudWatch::Dashboard, AWS::Logs::MetricFilter."""

from typing import Any

from localstack_process_executor.resources.base import Model, Resource, named, only, schema


class Dashboard(Resource):
    """A CloudWatch dashboard."""

    SCHEMA = schema("AWS::CloudWatch::Dashboard", "DashboardName", create_only=("DashboardName",))
    kept = ("DashboardName",)

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: D102, ANN401 - see the base
        named(model, "DashboardName", request)
        self.change(model, {}, clients)

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: D102, ANN401, ARG002 - see the base
        clients.cloudwatch.put_dashboard(DashboardName=model["DashboardName"], DashboardBody=model["DashboardBody"])

    def remove(self, model: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.cloudwatch.delete_dashboards(DashboardNames=[model["DashboardName"]])


class MetricFilter(Resource):
    """A filter that turns log lines into a metric; LocalStack keeps it and does not apply it."""

    SCHEMA = schema("AWS::Logs::MetricFilter", "FilterName", create_only=("FilterName", "LogGroupName"))
    kept = ("FilterName",)

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: D102, ANN401 - see the base
        named(model, "FilterName", request)
        self.change(model, {}, clients)

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: D102, ANN401, ARG002 - see the base
        names = (
            "FilterName",
            "FilterPattern",
            "LogGroupName",
            "MetricTransformations",
            "ApplyOnTransformedLogs",
        )
        clients.logs.put_metric_filter(**{"FilterPattern": ""} | only(model, *names))

    def remove(self, model: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.logs.delete_metric_filter(**only(model, "FilterName", "LogGroupName"))
