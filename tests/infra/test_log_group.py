"""Logs are forgotten when it was said, and go with the stack."""

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from infra.log_group import make_log_group
from infra.options import LOG_RETENTIONS


@pytest.mark.parametrize("days", LOG_RETENTIONS)
def test_every_retention_that_can_be_set_is_one_that_aws_knows(days: int) -> None:
    stack = cdk.Stack(cdk.App(), "stack")
    make_log_group(stack, "Logs", days)
    assertions.Template.from_stack(stack).has_resource(
        "AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": days}, "DeletionPolicy": "Delete"}
    )
