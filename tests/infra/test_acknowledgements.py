"""An acknowledgement takes back one finding, and no other."""

from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from infra.acknowledgements import acknowledge, wildcard


def make_app(outdir: Path, *acknowledged: str) -> cdk.App:
    """Make an app whose role may read below two prefixes, of which some are acknowledged."""
    app = cdk.App(outdir=str(outdir))
    stack = cdk.Stack(app, "stack")
    bucket = s3.Bucket(stack, "Data", enforce_ssl=True)
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    resources = [bucket.arn_for_objects(f"{name}/*") for name in ("one", "two")]
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=resources))
    for name in acknowledged:
        acknowledge(role, wildcard(bucket, f"/{name}/*"), "meant")
    acknowledge(bucket, "AwsSolutions-S1", "not what is tested")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def test_what_is_acknowledged_is_let_through(tmp_path: Path) -> None:
    make_app(tmp_path, "one", "two").synth()


def test_what_is_not_acknowledged_stays_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ValidationFailed(?s:.*)/two/\*") as raised:
        make_app(tmp_path, "one").synth()
    assert "/one/*" not in str(raised.value)
