"""What the resource providers share: LocalStack's protocol on one side, three verbs on the other."""

from typing import Any, ClassVar

import localstack.services.cloudformation.provider_utils as util
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)

Model = dict[str, Any]


def schema(resource_type: str, identifier: str, *, create_only: tuple[str, ...] = ()) -> dict[str, object]:
    """The part of a resource type's schema that LocalStack reads.

    Args:
        resource_type: Such as ``AWS::EC2::LaunchTemplate``.
        identifier: The property that Ref gives.
        create_only: The properties whose change replaces the resource.
    """
    return {
        "typeName": resource_type,
        "primaryIdentifier": [f"/properties/{identifier}"],
        "createOnlyProperties": [f"/properties/{name}" for name in create_only],
    }


class Resource(ResourceProvider):  # type: ignore[misc]  # LocalStack is not typed
    """A resource type whose operations answer at once.

    Attributes:
        SCHEMA: What `schema` returns.
        kept: The properties that an update takes over from the deployed resource: its names and ids.
    """

    SCHEMA: ClassVar[dict[str, object]]
    kept: ClassVar[tuple[str, ...]] = ()

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: ANN401 - LocalStack is not typed
        """Creates the resource, and fills its read-only properties into the model."""
        raise NotImplementedError

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: ANN401 - as above
        """Updates the resource in place."""
        raise NotImplementedError

    def remove(self, model: Model, clients: Any) -> None:  # noqa: ANN401 - as above
        """Deletes the resource."""
        raise NotImplementedError

    def create(self, request: ResourceRequest) -> ProgressEvent:
        """Answers CloudFormation's create."""
        model = dict(request.desired_state or {})
        self.put(model, request.aws_client_factory, request)
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    def update(self, request: ResourceRequest) -> ProgressEvent:
        """Answers CloudFormation's update."""
        previous = dict(request.previous_state or {})
        model = dict(request.desired_state or {})
        model |= {name: previous[name] for name in self.kept if name in previous}
        self.change(model, previous, request.aws_client_factory)
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    def delete(self, request: ResourceRequest) -> ProgressEvent:
        """Answers CloudFormation's delete."""
        self.remove(dict(request.previous_state or request.desired_state or {}), request.aws_client_factory)
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={})


def named(model: Model, property_name: str, request: Any) -> None:  # noqa: ANN401 - LocalStack is not typed
    """Gives the resource a name, made from the stack's and its own, if the template does not."""
    if not model.get(property_name):
        model[property_name] = util.generate_default_name(request.stack_name, request.logical_resource_id)


def only(model: Model, *names: str) -> Model:
    """Those of the properties that are there."""
    return {name: model[name] for name in names if model.get(name) is not None}
