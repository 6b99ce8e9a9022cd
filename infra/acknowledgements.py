"""What cdk-nag's AWS Solutions pack finds and we mean: each finding acknowledged by name, with its reason."""

from typing import cast

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Say that one finding on a construct, or on what stands below it, is meant.

    Args:
        construct: where it is found.
        finding: the rule, and for a rule that finds several things which of them, ``AwsSolutions-IAM5[…]``.
        reason: why it is meant.
    """
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def wildcard(resource: IConstruct, suffix: str) -> str:
    """Return the finding's name for a policy on a resource's ARN with a suffix that holds a wildcard."""
    return f"AwsSolutions-IAM5[Resource::<{_logical_id(resource)}.Arn>{suffix}]"


def name_of(resource: IConstruct) -> str:
    """Return what a finding writes for a resource's name."""
    return f"<{_logical_id(resource)}.Name>"


def _logical_id(resource: IConstruct) -> str:
    return cdk.Stack.of(resource).get_logical_id(cast("cdk.CfnElement", resource.node.default_child))
