"""The data bucket keeps what is in it, to itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.templates import Cloud


@pytest.fixture
def bucket(cloud: Cloud) -> dict[str, Any]:
    """The one bucket."""
    (found,) = cloud.main_resources("AWS::S3::Bucket")
    return found


def rules(bucket: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the lifecycle rules by name."""
    return {rule["Id"]: rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]}


def test_it_is_private_encrypted_and_versioned(bucket: dict[str, Any]) -> None:
    properties = bucket["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_it_outlives_the_stack(bucket: dict[str, Any]) -> None:
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_it_is_spoken_to_over_tls_1_2_or_not_at_all(cloud: Cloud) -> None:
    (policy,) = cloud.main_properties("AWS::S3::BucketPolicy")
    denied = [found["Condition"] for found in policy["PolicyDocument"]["Statement"] if found["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied


def test_abandoned_uploads_and_old_versions_go(bucket: dict[str, Any]) -> None:
    rule = rules(bucket)["abandoned-uploads-and-old-versions"]
    assert "Prefix" not in rule
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


def test_old_outputs_go_and_inputs_and_manifests_stay(bucket: dict[str, Any]) -> None:
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules(bucket).values() if "Prefix" in rule}
    assert expiring.pop("parts/") == expiring.pop("work/") == 14
    assert expiring["heartbeats/"] == expiring["fits/"] == 365
    assert not set(expiring) & {"problems/", "iaf/", "tokens/", "embeddings/", "manifests/"}


def test_outputs_stay_for_ever_where_that_is_asked_for(deploy_with: Callable[..., Cloud]) -> None:
    (bucket,) = deploy_with(output_days="0").main_resources("AWS::S3::Bucket")
    assert "heartbeats/" not in json.dumps(bucket)
