"""Refuses invocations whose payload is too large, which LocalStack itself accepts.

Source: AWS Lambda developer guide, "Lambda quotas": 6 MB synchronous, 1 MB asynchronous (256 KB before
October 2025).
"""

from typing import Any, Final

from localstack.aws.api import RequestContext
from localstack.aws.api.lambda_ import InvocationType, RequestTooLargeException
from localstack.aws.chain import HandlerChain
from localstack.http import Response

MAX_SYNC_BYTES: Final = 6 * 1024 * 1024
MAX_ASYNC_BYTES: Final = 1024 * 1024


def refuse_large_payloads(_chain: HandlerChain, context: RequestContext, _response: Response) -> None:
    """A request handler of LocalStack's gateway.

    Raises:
        RequestTooLargeException: The request is an invocation with too large a payload.
    """
    if context.service is None or context.operation is None:
        return
    if (context.service.service_name, context.operation.name) != ("lambda", "Invoke"):
        return
    request: Any = context.service_request or {}
    is_event = request.get("InvocationType") == InvocationType.Event
    limit = MAX_ASYNC_BYTES if is_event else MAX_SYNC_BYTES
    # Only told, not read: the body is a stream, and LocalStack has yet to read it.
    if (context.request.content_length or 0) > limit:
        # Read now, or the client would still be sending and see a broken connection instead of the refusal.
        context.request.get_data(cache=False)
        raise RequestTooLargeException(f"Request must be smaller than {limit} bytes for the InvokeFunction operation")
