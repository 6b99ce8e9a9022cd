"""The state machine for runs that outlive the laptop: a Distributed Map, one child execution per chunk.

Its input is ``{"bucket", "items_key", "function", "max_concurrency"}``; the object under `items_key` is a JSON array of
events, each of which is handed to the function as it is. Whether the run is complete is read from the store, never from
the map: a map that says SUCCEEDED says only that it has nothing left to start.

The definition keeps to what both AWS and LocalStack do: JSONPath, an S3 JSON reader, standard children, no batches.
"""

import json
from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.acknowledgements import acknowledge, name_of
from infra.data_bucket import WORK, DataBucket
from infra.log_group import make_log_group

_RETRIES = [
    {
        # A full fan-out runs into the account's concurrency; every call gets through in the end.
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 1,
        "BackoffRate": 2,
        "MaxDelaySeconds": 30,
        "MaxAttempts": 12,
        "JitterStrategy": "FULL",
    },
    {
        # Lambda's own trouble. What the function did wrong would go wrong again.
        "ErrorEquals": ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"],
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxAttempts": 4,
        "JitterStrategy": "FULL",
    },
]


_EXECUTIONS = (":*", "/*")
"""What follows the machine's name in the ARNs of its executions, and of its maps' children."""


class MapMachine(Construct):
    """The state machine, which may call the stages' functions and read and write what is below ``work/``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: Iterable[lambda_.Function],
        data: DataBucket,
        log_retention_days: int,
    ) -> None:
        """Make it.

        Args:
            scope: the stack.
            construct_id: its name there.
            functions: the stages' functions.
            data: where the items are.
            log_retention_days: how long its logs are kept.
        """
        super().__init__(scope, construct_id)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[function.function_arn for function in functions]
            )
        )
        data.grant(role, read=[WORK], write=[WORK])
        # Its writer uploads in parts.
        uploads = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        role.add_to_policy(iam.PolicyStatement(actions=uploads, resources=[data.bucket.arn_for_objects(f"{WORK}/*")]))
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(write_definition(data.bucket.bucket_name)),
            role=role,
            logs=sfn.LogOptions(
                # A fixed beginning: Step Functions keeps the account's policy for log delivery short by it.
                destination=make_log_group(self, "Logs", log_retention_days, self._log_group_name()),
                level=sfn.LogLevel.ERROR,
            ),
        )
        self._let_run_children(role)
        self._acknowledge(role)

    def _log_group_name(self) -> str:
        return f"/aws/vendedlogs/states/{cdk.Stack.of(self).stack_name}"

    def _let_run_children(self, role: iam.Role) -> None:
        """Let the machine start the children of its own maps: a policy of its own, since it names the machine."""
        stack = cdk.Stack.of(self)
        arn = self.machine.state_machine_arn
        executions = [
            stack.format_arn(
                service="states",
                resource="execution",
                resource_name=f"{self.machine.state_machine_name}{rest}",
                arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            )
            for rest in _EXECUTIONS
        ]
        policy = iam.Policy(
            self,
            "Children",
            roles=[role],
            statements=[
                iam.PolicyStatement(actions=["states:StartExecution"], resources=[arn]),
                iam.PolicyStatement(actions=["states:DescribeExecution", "states:StopExecution"], resources=executions),
            ],
        )
        policy.node.add_dependency(self.machine)
        for rest in _EXECUTIONS:
            arn = f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:{name_of(self.machine)}{rest}"
            acknowledge(
                policy,
                f"AwsSolutions-IAM5[Resource::{arn}]",
                "The machine's own executions and its maps' children, whose names are made when they start.",
            )

    def _acknowledge(self, role: iam.Role) -> None:
        acknowledge(
            role,
            "AwsSolutions-IAM5[Resource::*]",
            "Log delivery is set up by actions that AWS lets nobody limit to a resource.",
        )
        acknowledge(
            self.machine,
            "AwsSolutions-SF1",
            "Failures are logged; every event of every chunk would cost more than the chunk, and is in the manifest.",
        )
        acknowledge(
            self.machine,
            "AwsSolutions-SF2",
            "A map of one-step children has nothing to trace; the manifest has the time of every chunk.",
        )


def write_definition(bucket_name: str) -> str:
    """Return the state machine in Amazon States Language.

    Args:
        bucket_name: the data bucket, below whose ``work/maps/`` each map leaves what its children answered.
    """
    call = {
        "Type": "Task",
        "Resource": f"arn:{cdk.Aws.PARTITION}:states:::lambda:invoke",
        "Parameters": {"FunctionName.$": "$.function", "Payload.$": "$.event"},
        "Retry": _RETRIES,
        "OutputPath": "$.Payload",
        "End": True,
    }
    fan_out = {
        "Type": "Map",
        "ItemReader": {
            "Resource": f"arn:{cdk.Aws.PARTITION}:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.items_key"},
        },
        "ItemSelector": {"function.$": "$.function", "event.$": "$$.Map.Item.Value"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Call",
            "States": {"Call": call},
        },
        "MaxConcurrencyPath": "$.max_concurrency",
        # One chunk's failure is that chunk's. A float: LocalStack doesn't take a whole number here.
        "ToleratedFailurePercentage": 100.0,
        # Without a writer the children's answers are the state's output, which may have 256 KB and no more.
        "ResultWriter": {
            "Resource": f"arn:{cdk.Aws.PARTITION}:states:::s3:putObject",
            # A fixed place: AWS resolves a path here in the state's input, and LocalStack in its result.
            "Parameters": {"Bucket": bucket_name, "Prefix": f"{WORK}/maps"},
        },
        "End": True,
    }
    return json.dumps({"StartAt": "FanOut", "States": {"FanOut": fan_out}})
