"""Log groups that forget, and go with the stack."""

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

_RETENTIONS = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def make_log_group(scope: Construct, construct_id: str, retention_days: int, name: str | None = None) -> logs.LogGroup:
    """Make a log group that keeps what it is told for some days.

    Args:
        scope: what it belongs to.
        construct_id: its name there.
        retention_days: one of `infra.options.LOG_RETENTIONS`.
        name: its name in the account; one that CloudFormation makes up if not given.
    """
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention=_RETENTIONS[retention_days],
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
