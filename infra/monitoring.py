"""What is seen and who is told: a dashboard, alarms, and a topic that the alarms go to."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.task_function import TaskFunction
from mycelium.logs import DIMENSIONS, FAILURE_DIMENSIONS, NAMESPACE

_PERIOD = cdk.Duration.minutes(5)
_THROTTLES = 1000
"""A fan-out meets some throttles by design, and slows down; so many in five minutes mean that it can't get through."""


class Monitoring(Construct):
    """Alarms on failures, throttles and dead letters, and one dashboard of it all."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: Sequence[TaskFunction],
        machine: sfn.StateMachine,
        deployment: str,
        email: str,
    ) -> None:
        """Watch the functions and the state machine.

        Args:
            scope: the stack.
            construct_id: its name there.
            functions: the stages' functions and the reduce.
            machine: the state machine.
            deployment: the deployment's name, a dimension of what the functions count themselves.
            email: who is told; nobody if empty.
        """
        super().__init__(scope, construct_id)
        self.topic = self._make_topic()
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        for function in functions:
            self._watch_function(function)
        self._alarm(
            "MapFailed",
            machine.metric_failed(period=_PERIOD),
            1,
            "A Distributed Map could not start or go on: its execution in the Step Functions console says why.",
        )
        self._draw(functions, machine, deployment)

    def _make_topic(self) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        # A topic with a policy of its own loses the one by which the account's alarms could publish.
        own_account = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com", conditions=own_account)],
                resources=[topic.topic_arn],
            )
        )
        return topic

    def _watch_function(self, watched: TaskFunction) -> None:
        name, function = watched.plan.name, watched.function
        self._alarm(
            f"{name}-Errors",
            function.metric_errors(period=_PERIOD),
            1,
            f"A call of {name} crashed, ran out of time or out of memory: its log group has the last words.",
        )
        self._alarm(
            f"{name}-Throttles",
            function.metric_throttles(period=_PERIOD),
            _THROTTLES,
            f"Calls of {name} find no free concurrency: lower --max-concurrency, or ask AWS for a larger quota.",
        )
        self._alarm(
            f"{name}-DeadLetters",
            watched.dead_letters.metric_approximate_number_of_messages_visible(
                period=_PERIOD, statistic=cloudwatch.Stats.MAXIMUM
            ),
            1,
            f"An asynchronous call of {name} failed and was put aside; the coordinator makes none: who called it?",
        )

    def _alarm(self, construct_id: str, metric: cloudwatch.Metric, threshold: int, meaning: str) -> None:
        alarm = metric.create_alarm(
            self,
            construct_id,
            alarm_description=meaning,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def _draw(self, functions: Sequence[TaskFunction], machine: sfn.StateMachine, deployment: str) -> None:
        dashboard = cloudwatch.Dashboard(self, "Dashboard", default_interval=cdk.Duration.hours(3))
        lambdas = [watched.function for watched in functions]
        rows: dict[str, Sequence[cloudwatch.IMetric]] = {
            "Calls": [function.metric_invocations(period=_PERIOD) for function in lambdas],
            "Failed calls": [function.metric_errors(period=_PERIOD) for function in lambdas],
            "Throttled calls": [function.metric_throttles(period=_PERIOD) for function in lambdas],
            "Duration, slowest of a hundred": [
                function.metric_duration(period=_PERIOD, statistic=cloudwatch.Stats.p(99)) for function in lambdas
            ],
            "Maps": [machine.metric_started(period=_PERIOD), machine.metric_failed(period=_PERIOD)],
            "Dead letters": [
                watched.dead_letters.metric_approximate_number_of_messages_visible(period=_PERIOD)
                for watched in functions
            ],
            "Seconds of a task, slowest of a hundred": [_search(deployment, "task_s", "p99")],
            "Bytes read and written": [_search(deployment, name, "Sum") for name in ("bytes_read", "bytes_written")],
            "Problems": [_search(deployment, "problems", "Sum")],
            "Failed tasks, by kind": [_search(deployment, "failures", "Sum", FAILURE_DIMENSIONS)],
        }
        for title, metrics in rows.items():
            dashboard.add_widgets(cloudwatch.GraphWidget(title=title, left=metrics, width=12))


def _search(
    deployment: str, name: str, statistic: str, dimensions: Sequence[str] = DIMENSIONS
) -> cloudwatch.MathExpression:
    """Return a metric of every stage that has logged one: which those are, only CloudWatch knows."""
    schema = ",".join((NAMESPACE, *dimensions))
    found = f'{{{schema}}} deployment="{deployment}" MetricName="{name}"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{found}', '{statistic}', {_PERIOD.to_seconds():.0f})", label="", period=_PERIOD
    )
