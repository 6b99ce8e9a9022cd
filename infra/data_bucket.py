"""The data bucket: where every chunk, manifest and intermediate object of a deployment lives."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledgements import acknowledge, wildcard
from mycelium.wire import PART_PREFIX, WORK_PREFIX

PARTS = PART_PREFIX.rstrip("/")
"""The prefix of parts between reduces."""

WORK = WORK_PREFIX.rstrip("/")
"""The prefix of the state machine's lists of items, and of what its maps and failed tasks say."""

WORK_DAYS = 14
OLD_VERSION_DAYS = 30


class DataBucket(Construct):
    """A bucket that is private, encrypted, spoken to over TLS only, versioned, and there after `cdk destroy`."""

    def __init__(self, scope: Construct, construct_id: str, *, outputs: Iterable[str], output_days: int) -> None:
        """Make it.

        Args:
            scope: the stack.
            construct_id: its name there.
            outputs: the datasets that stages write, which a run again makes again.
            output_days: after how many days those are deleted; 0 keeps them for ever.
        """
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[*_cleaning_rules(), *_expiry_rules(outputs, output_days)],
        )
        acknowledge(
            self.bucket,
            "AwsSolutions-S1",
            "One writer per key and a manifest with every object's SHA-256 already say what was written; server access "
            "logs would need a second bucket and cost a PUT for every few requests of a fan-out.",
        )

    def grant(self, role: iam.Role, *, read: Iterable[str], write: Iterable[str]) -> None:
        """Let a role read and write below some prefixes, and nowhere else.

        Args:
            role: whose rights.
            read: the prefixes, without slash, whose objects it may get.
            write: the prefixes below which it may put objects.
        """
        for action, prefixes in (("s3:GetObject", sorted(set(read))), ("s3:PutObject", sorted(set(write)))):
            if not prefixes:
                continue
            resources = [self.bucket.arn_for_objects(f"{prefix}/*") for prefix in prefixes]
            role.add_to_policy(iam.PolicyStatement(actions=[action], resources=resources))
            for prefix in prefixes:
                reason = f"The keys of {prefix} are named by runs, which are not known when the role is made."
                acknowledge(role, wildcard(self.bucket, f"/{prefix}/*"), reason)
        # Without it S3 answers 403 for an object that is not there, and a lost chunk looks like a lost permission.
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]))


def _cleaning_rules() -> list[s3.LifecycleRule]:
    return [
        s3.LifecycleRule(
            id="abandoned-uploads-and-old-versions",
            abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
            noncurrent_version_expiration=cdk.Duration.days(OLD_VERSION_DAYS),
            expired_object_delete_marker=True,
        ),
        *(
            s3.LifecycleRule(id=name, prefix=f"{name}/", expiration=cdk.Duration.days(WORK_DAYS))
            for name in (PARTS, WORK)
        ),
    ]


def _expiry_rules(outputs: Iterable[str], output_days: int) -> list[s3.LifecycleRule]:
    if not output_days:
        return []
    return [
        s3.LifecycleRule(id=f"old-{name}", prefix=f"{name}/", expiration=cdk.Duration.days(output_days))
        for name in sorted(set(outputs))
    ]
