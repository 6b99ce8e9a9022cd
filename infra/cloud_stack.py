"""The stack that composes: a bucket, a function for each stage, the reduce, the map, and who watches them."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.data_bucket import PARTS, WORK, DataBucket
from infra.map_machine import MapMachine
from infra.monitoring import Monitoring
from infra.options import Options
from infra.packaging import ROOT, Target, build_asset
from infra.publication import Publication
from infra.spending import Spending
from infra.task_function import FunctionPlan, TaskFunction
from mycelium.datasets import GPU_WRITTEN
from mycelium.fit import FITS
from mycelium.stage import Stage

REDUCE = "reduce"


class CloudStack(cdk.Stack):
    """Everything that `cdk deploy` makes; it names no account and no region."""

    def __init__(self, scope: Construct, construct_id: str, *, stages: Sequence[Stage[Any]], options: Options) -> None:
        """Compose it.

        Args:
            scope: the app.
            construct_id: the stack's name.
            stages: the stages to run.
            options: the deployment's settings.
        """
        super().__init__(
            scope, construct_id, description=f"Mycelium {options.deployment}: chunks, stages and their map"
        )
        self._options = options
        # What a GPU machine writes, too, is dear to make again, whoever wrote it.
        written = {dataset.name for stage in stages for dataset in stage.writes} - GPU_WRITTEN.keys()
        self.data = DataBucket(self, "Data", outputs=written | {FITS}, output_days=options.output_days)
        self.stage_functions = [self._make_function(plan_stage(stage)) for stage in stages]
        self.reduce_function = self._make_function(plan_reduce(stages))
        self.map = MapMachine(
            self,
            "Map",
            functions=[function.function for function in self.stage_functions],
            data=self.data,
            log_retention_days=options.log_retention_days,
        )
        Monitoring(
            self,
            "Monitoring",
            functions=[*self.stage_functions, self.reduce_function],
            machine=self.map.machine,
            deployment=options.deployment,
            email=options.email,
        )
        if options.budget_usd:
            Spending(self, "Spending", deployment=options.deployment, limit_usd=options.budget_usd, email=options.email)
        self._publish()

    def _make_function(self, plan: FunctionPlan) -> TaskFunction:
        return TaskFunction(
            self,
            f"Stage-{plan.name}" if plan.name != REDUCE else "Reduce",
            plan=plan,
            code=self._code(plan.name, plan.requires),
            data=self.data,
            options=self._options,
        )

    def _code(self, name: str, requires: Iterable[str]) -> lambda_.Code:
        """Return the function's zip file; our bare code where nothing is deployed, as in `cdk destroy`."""
        if not self.bundling_required:
            return lambda_.Code.from_asset(str(ROOT / "lambdas"), exclude=["**/__pycache__"])
        asset = build_asset(name, requires, Target(self._options.architecture, self._options.python))
        sys.stderr.write(asset.describe(name) + "\n")
        return lambda_.Code.from_asset(str(asset.path))

    def _publish(self) -> None:
        Publication(
            self,
            "Publication",
            options=self._options,
            bucket=self.data.bucket.bucket_name,
            functions={function.plan.name: function.function.function_name for function in self.stage_functions},
            reduce=self.reduce_function.function.function_name,
            state_machine=self.map.machine.state_machine_arn,
        )
        cdk.CfnOutput(self, "Bucket", value=self.data.bucket.bucket_name, description="The store: s3://<this>")


def plan_stage(stage: Stage[Any]) -> FunctionPlan:
    """Return the function that a stage needs.

    It reads what it writes, too: the outputs of whoever came first. What is too large for its answer it leaves below
    ``parts/``, and how a task failed, for who was not there to be told, below ``work/``. What a fit asks and finds the
    coordinator leaves below ``fits/``.
    """
    reads = tuple(dataset.name for dataset in stage.reads)
    writes = tuple(dataset.name for dataset in stage.writes)
    return FunctionPlan(
        name=stage.name,
        summary=f"{stage.name} v{stage.version}: {stage.summary}",
        handler="lambdas.handler.handle_task",
        requires=stage.requires,
        memory_mb=stage.memory_mb,
        timeout_s=stage.timeout_s,
        reads=reads + writes + ((FITS,) if stage.fit is not None else ()),
        writes=(*writes, PARTS, WORK),
    )


def plan_reduce(stages: Sequence[Stage[Any]]) -> FunctionPlan:
    """Return the function that reduces the parts of any stage: it carries what they all require, and sees no chunk."""
    return FunctionPlan(
        name=REDUCE,
        summary="reduce parts of any stage to one",
        handler="lambdas.handler.handle_reduce",
        requires=tuple(sorted({package for stage in stages for package in stage.requires})),
        memory_mb=max(stage.memory_mb for stage in stages),
        timeout_s=max(stage.timeout_s for stage in stages),
        reads=(PARTS,),
        writes=(PARTS,),
    )
