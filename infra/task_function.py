"""One Lambda function: a stage's tasks, or the reduce."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import acknowledge
from infra.data_bucket import DataBucket
from infra.log_group import make_log_group
from infra.options import Architecture, Options
from mycelium.settings import DEPLOYMENT_VARIABLE, LOG_LEVEL_VARIABLE

STAGE_VARIABLE = "MYCELIUM_STAGE"

MEMORY_OF_ONE_CPU_MB = 1769
"""Lambda gives processors in proportion to memory: one whole one for this much."""

_ARCHITECTURES: dict[Architecture, lambda_.Architecture] = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """What one function is.

    Attributes:
        name: the stage's name, or ``reduce``.
        summary: one sentence for people.
        handler: the function that Lambda calls, as ``module.function``.
        requires: the packages it carries.
        memory_mb: its memory.
        timeout_s: how long one call may take.
        reads: the prefixes whose objects it may get.
        writes: the prefixes below which it may put objects.
    """

    name: str
    summary: str
    handler: str
    requires: tuple[str, ...]
    memory_mb: int
    timeout_s: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The function's environment variables.

        NumPy's linear algebra starts a thread for each processor it sees, and Lambda shows it more than it gives: one
        for every `MEMORY_OF_ONE_CPU_MB`. To start them costs a quarter of the CPU time of loading a stage (ADR 0020).
        """
        return {
            STAGE_VARIABLE: self.name,
            "OPENBLAS_NUM_THREADS": str(max(1, self.memory_mb // MEMORY_OF_ONE_CPU_MB)),
        }


class TaskFunction(Construct):
    """A function with a role, a log group and a dead-letter queue of its own; only IAM principals can call it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        plan: FunctionPlan,
        code: lambda_.Code,
        data: DataBucket,
        options: Options,
    ) -> None:
        """Make it.

        Args:
            scope: the stack.
            construct_id: its name there.
            plan: what it is.
            code: what it runs.
            data: what it reads and writes.
            options: the deployment's settings.
        """
        super().__init__(scope, construct_id)
        self.plan = plan
        log_group = make_log_group(self, "Logs", options.log_retention_days)
        self.dead_letters = self._make_dead_letters()
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        data.grant(role, read=plan.reads, write=plan.writes)
        self.function = lambda_.Function(
            self,
            "Function",
            description=plan.summary,
            runtime=lambda_.Runtime(f"python{options.python}", lambda_.RuntimeFamily.PYTHON),
            architecture=_ARCHITECTURES[options.architecture],
            handler=plan.handler,
            code=code,
            role=role,
            memory_size=plan.memory_mb,
            timeout=cdk.Duration.seconds(plan.timeout_s),
            environment=plan.environment
            | {DEPLOYMENT_VARIABLE: options.deployment, LOG_LEVEL_VARIABLE: options.log_level},
            log_group=log_group,
            dead_letter_queue=self.dead_letters,
            # The coordinator retries, and knows what can heal; Lambda would repeat an asynchronous call twice, blindly.
            retry_attempts=0,
        )
        acknowledge(
            self.function,
            "AwsSolutions-L1",
            f"Python {options.python} is a context value: the interpreter that the packages were tested on.",
        )

    def _make_dead_letters(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        acknowledge(queue, "AwsSolutions-SQS3", "It is itself a function's dead-letter queue.")
        return queue
