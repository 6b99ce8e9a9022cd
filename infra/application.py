"""The app: the main stack, the GPU stack beside it, and the rules that both are held to.

The GPU stack stands in a CDK stage of its own, so that a plain `cdk deploy` means the main stack and nothing else.
"""

from collections.abc import Mapping

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.cloud_stack import CloudStack
from infra.gpu_stack import GpuStack
from infra.options import read_options
from lambdas.stages import find_stage, stage_names

GPU_STAGE = "gpu"


def build_app(context: Mapping[str, object] | None = None, outdir: str | None = None) -> cdk.App:
    """Build the app, not yet synthesized.

    Args:
        context: CDK context values, beside those of the command line and of cdk.json.
        outdir: the folder for the result; the CDK's own choice if not given.

    Raises:
        UserInputError: a context value can't be deployed, or a function's packages can't be.
    """
    app = cdk.App(context=context, outdir=outdir)
    options = read_options(app.node.try_get_context)
    stages = [find_stage(name) for name in stage_names()]
    CloudStack(app, options.deployment, stages=stages, options=options)
    gpu_stage, gpu_name = cdk.Stage(app, GPU_STAGE), f"{options.deployment}-gpu"
    GpuStack(gpu_stage, gpu_name, options=options, stack_name=gpu_name)
    for scope in (app, gpu_stage):  # an app's tags don't reach into its stages
        cdk.Tags.of(scope).add("mycelium:deployment", options.deployment)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app
