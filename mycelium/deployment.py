"""The names that a deployment and its users agree on: what the cloud stack publishes and the coordinator looks up.

After `cdk deploy` nothing needs configuring but credentials: the stack writes these SSM parameters, and the coordinator
reads them.
"""

DEFAULT_DEPLOYMENT = "mycelium"

UPLOAD_NAMESPACE = "Mycelium/Upload"
"""The CloudWatch namespace of the uploader's counters: the one that a GPU machine may write."""


def bucket_parameter(deployment: str) -> str:
    """Return the parameter that holds the data bucket's name."""
    return f"/{deployment}/bucket"


def version_parameter(deployment: str) -> str:
    """Return the parameter that holds the version of the code that was deployed."""
    return f"/{deployment}/version"


def architecture_parameter(deployment: str) -> str:
    """Return the parameter that holds the processor of the functions, ``arm64`` or ``x86_64``."""
    return f"/{deployment}/architecture"


def function_parameter(deployment: str, stage: str) -> str:
    """Return the parameter that holds the name of a stage's function."""
    return f"/{deployment}/functions/{stage}"


def reduce_parameter(deployment: str) -> str:
    """Return the parameter that holds the name of the reduce function."""
    return f"/{deployment}/reduce-function"


def state_machine_parameter(deployment: str) -> str:
    """Return the parameter that holds the ARN of the Distributed Map state machine."""
    return f"/{deployment}/state-machine"


def shard_queue_parameter(deployment: str) -> str:
    """Return the parameter that holds the URL of the queue of shards."""
    return f"/{deployment}/shard-queue"


def dead_letter_parameter(deployment: str) -> str:
    """Return the parameter that holds the URL of the queue of shards that were given up."""
    return f"/{deployment}/dead-letter-queue"


def gpu_group_parameter(deployment: str) -> str:
    """Return the parameter that holds the name of the GPU machines' Auto Scaling group."""
    return f"/{deployment}/gpu-group"
