"""What LocalStack finds through this package's entry points; each imports what it needs when it is asked."""

from functools import partial
from importlib import import_module
from typing import Any, Final

from localstack import config
from localstack.runtime import hooks
from localstack.services.cloudformation.resource_provider import CloudFormationResourceProviderPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import Service, aws_provider
from localstack.utils.catalog.catalog import AwsCatalogRuntimePlugin
from localstack.utils.catalog.common import CloudFormationResourcesSupportAtRuntime as SupportAtRuntime
from plux import PluginSpec

PIECE_BYTES: Final = 8 * 1024 * 1024


class ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc]  # LocalStack is not typed
    """Chosen by LAMBDA_RUNTIME_EXECUTOR=process."""

    name = "process"

    def load(self, *_args: object, **_kwargs: object) -> type:
        """The executor."""
        from localstack_process_executor.executor import ProcessExecutor

        return ProcessExecutor


def _is_chosen() -> bool:
    return str(config.LAMBDA_RUNTIME_EXECUTOR) == ProcessExecutorPlugin.name


@hooks.on_infra_start(should_load=_is_chosen)  # type: ignore[untyped-decorator]
def refuse_large_lambda_payloads() -> None:
    """Puts AWS's limits on payloads before LocalStack's own handlers."""
    from localstack.aws import handlers

    from localstack_process_executor.limits import refuse_large_payloads

    handlers.serve_custom_service_request_handlers.append(refuse_large_payloads)


@hooks.on_infra_start(should_load=_is_chosen)  # type: ignore[untyped-decorator]
def send_objects_in_large_pieces() -> None:
    """Lets S3 send an object in pieces of megabytes.

    It sends 64 KiB at a time, and each piece goes from the server's event loop to a thread and back: 70 times for an
    object of 4.5 MB, all in the one process that functions wait for. The name is the one that the storage has imported.
    """
    from localstack.services.s3.storage import ephemeral

    ephemeral.S3_CHUNK_SIZE = PIECE_BYTES


@hooks.on_infra_shutdown(should_load=_is_chosen)  # type: ignore[untyped-decorator]
def kill_lambda_processes() -> None:
    """Ends the running functions, so that LocalStack does not wait for them."""
    from localstack_process_executor.executor import kill_all

    kill_all()


class LocalCatalog(AwsCatalogRuntimePlugin):  # type: ignore[misc]  # LocalStack is not typed
    """Knows which CloudFormation types are there from what is installed, without asking a server.

    Without it, CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES=0 refuses every type when that server is out of reach.
    The name is the one that LocalStack looks for first.
    """

    name = "aws-catalog-remote-state-with-license"

    def get_cloudformation_resource_status(
        self,
        resource_name: str,
        service_name: str,  # noqa: ARG002 - LocalStack's signature
        is_pro_resource: bool = False,  # noqa: ARG002, FBT001, FBT002 - as above
    ) -> SupportAtRuntime:
        """Whether the type can be deployed."""
        there = resource_name in self._get_cfn_resources_available_at_runtime()
        return SupportAtRuntime.AVAILABLE if there else SupportAtRuntime.NOT_IMPLEMENTED


@aws_provider()  # type: ignore[untyped-decorator]
def autoscaling() -> Service:
    """The Auto Scaling service, answered by LocalStack's own moto; its instances are those of EC2's."""
    return _moto_service("autoscaling")


@aws_provider()  # type: ignore[untyped-decorator]
def budgets() -> Service:
    """The Budgets service, answered by moto."""
    return _moto_service("budgets")


def _moto_service(name: str) -> Service:
    from localstack.aws.skeleton import Skeleton
    from localstack.aws.spec import load_service
    from localstack.services.moto import call_moto

    model = load_service(name)
    dispatch = {operation: lambda context, _request: call_moto(context) for operation in model.operation_names}
    return Service(name=name, skeleton=Skeleton(model, dispatch))


class _ResourcePlugin(CloudFormationResourceProviderPlugin):  # type: ignore[misc]  # LocalStack is not typed
    """Loads one CloudFormation resource provider."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.factory: type | None = None

    def load(self, *_args: object, **_kwargs: object) -> None:
        """Imports it."""
        module, _, name = self._path.partition(":")
        self.factory = getattr(import_module(f"localstack_process_executor.resources.{module}"), name)


def _resource(resource_type: str, path: str) -> Any:  # noqa: ANN401 - plux is not typed
    namespace = CloudFormationResourceProviderPlugin.namespace
    return PluginSpec(namespace, resource_type, partial(_ResourcePlugin, path))


auto_scaling_group = _resource("AWS::AutoScaling::AutoScalingGroup", "autoscaling:AutoScalingGroup")
lifecycle_hook = _resource("AWS::AutoScaling::LifecycleHook", "autoscaling:LifecycleHook")
scaling_policy = _resource("AWS::AutoScaling::ScalingPolicy", "autoscaling:ScalingPolicy")
budget = _resource("AWS::Budgets::Budget", "budgets:Budget")
dashboard = _resource("AWS::CloudWatch::Dashboard", "monitoring:Dashboard")
launch_template = _resource("AWS::EC2::LaunchTemplate", "ec2:LaunchTemplate")
security_group_egress = _resource("AWS::EC2::SecurityGroupEgress", "ec2:SecurityGroupEgress")
security_group_ingress = _resource("AWS::EC2::SecurityGroupIngress", "ec2:SecurityGroupIngress")
metric_filter = _resource("AWS::Logs::MetricFilter", "monitoring:MetricFilter")
