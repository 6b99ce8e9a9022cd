"""Failures, throttles and dead letters are seen, and somebody is told."""

from collections.abc import Callable

from lambdas.stages import stage_names
from mycelium.logs import METRICS
from tests.infra.templates import Cloud


def test_every_function_has_an_alarm_for_each_way_to_go_wrong(cloud: Cloud) -> None:
    metrics = [alarm["MetricName"] for alarm in cloud.main_properties("AWS::CloudWatch::Alarm")]
    n_functions = len(stage_names()) + 1
    assert metrics.count("Errors") == metrics.count("Throttles") == n_functions
    assert metrics.count("ApproximateNumberOfMessagesVisible") == n_functions
    assert metrics.count("ExecutionsFailed") == 1


def test_every_alarm_says_what_to_do_and_tells_the_topic(cloud: Cloud) -> None:
    ((topic, _),) = [
        (name, found) for name, found in cloud.main["Resources"].items() if found["Type"] == "AWS::SNS::Topic"
    ]
    for alarm in cloud.main_properties("AWS::CloudWatch::Alarm"):
        assert alarm["AlarmDescription"]
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm["TreatMissingData"] == "notBreaching"  # nothing running is nothing wrong


def test_the_accounts_own_alarms_may_publish_and_only_over_tls(cloud: Cloud) -> None:
    (policy,) = cloud.main_properties("AWS::SNS::TopicPolicy")
    allowed, denied = (
        [found for found in policy["PolicyDocument"]["Statement"] if found["Effect"] == effect]
        for effect in ("Allow", "Deny")
    )
    (publish,) = allowed
    assert publish["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert publish["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert [found["Condition"] for found in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_there_is_a_dashboard(cloud: Cloud) -> None:
    assert len(cloud.main_resources("AWS::CloudWatch::Dashboard")) == 1


def test_the_dashboard_draws_what_the_tasks_log(cloud: Cloud) -> None:
    (board,) = cloud.main_properties("AWS::CloudWatch::Dashboard")
    parts = board["DashboardBody"]["Fn::Join"][1]
    text = "".join(part for part in parts if isinstance(part, str))
    drawn = {name for name in METRICS if f'MetricName=\\"{name}\\"' in text}
    assert drawn == {*METRICS}
    assert "{Mycelium,deployment,stage,failure}" in text
    assert 'deployment=\\"mycelium\\"' in text


def test_nobody_is_written_to_unasked(cloud: Cloud) -> None:
    assert not cloud.main_resources("AWS::SNS::Subscription")


def test_an_address_hears_of_the_alarms(deploy_with: Callable[..., Cloud]) -> None:
    (subscription,) = deploy_with(email="you@example.org").main_properties("AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "you@example.org")
