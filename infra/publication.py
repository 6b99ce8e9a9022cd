"""What the coordinator finds the deployment by: SSM parameters, named in `mycelium.deployment`."""

from collections.abc import Mapping

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.options import Options
from mycelium.deployment import (
    architecture_parameter,
    bucket_parameter,
    function_parameter,
    reduce_parameter,
    state_machine_parameter,
    version_parameter,
)
from mycelium.version import read_release


class Publication(Construct):
    """The parameters of one deployment; the coordinator needs no more than its name."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        options: Options,
        bucket: str,
        functions: Mapping[str, str],
        reduce: str,
        state_machine: str,
    ) -> None:
        """Publish the names.

        Args:
            scope: the stack.
            construct_id: its name there.
            options: the deployment's name, and the functions' processor, which decides what their time costs.
            bucket: the data bucket's name.
            functions: the name of each stage's function, by stage.
            reduce: the reduce function's name.
            state_machine: the state machine's ARN.
        """
        super().__init__(scope, construct_id)
        deployment = options.deployment
        values = {
            "Bucket": (bucket_parameter(deployment), bucket),
            "Version": (version_parameter(deployment), read_release()),
            "Architecture": (architecture_parameter(deployment), options.architecture),
            "Reduce": (reduce_parameter(deployment), reduce),
            "StateMachine": (state_machine_parameter(deployment), state_machine),
            **{f"Function-{stage}": (function_parameter(deployment, stage), name) for stage, name in functions.items()},
        }
        for construct_name, (name, value) in values.items():
            ssm.StringParameter(self, construct_name, parameter_name=name, string_value=value)
