"""Find what functions logged for one command, by its trace id."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mycelium.errors import DeploymentError, UserInputError
from mycelium.tracing import is_trace_id

SLACK_S = 60.0
"""Clocks differ by less: lines are looked for from so long before the command, and until so long after it."""


def find_log_group(lambdas: Any, function: str) -> str:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return the log group that a function writes to.

    Args:
        lambdas: a boto3 client of Lambda.
        function: the function's name.

    Raises:
        DeploymentError: there is no such function.
    """
    try:
        found = lambdas.get_function_configuration(FunctionName=function)
    except lambdas.exceptions.ResourceNotFoundException:
        raise DeploymentError(f"function {function} is gone: run `cdk deploy`") from None
    return str(found.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}")


def search_lines(
    logs: Any,  # noqa: ANN401 - boto3 makes its clients at run time
    group: str,
    trace_id: str,
    until_s: float,
    *,
    only_failed: bool = False,
    limit: int = 1000,
) -> Iterator[str]:
    """Yield the lines that a command's tasks have logged, the earliest first.

    Args:
        logs: a boto3 client of CloudWatch Logs.
        group: the log group.
        trace_id: the command's; the time in it is where the search begins, for what is searched is paid for.
        until_s: when the command ended, seconds since the epoch.
        only_failed: only those of tasks that failed.
        limit: lines at most.

    Raises:
        UserInputError: the trace id is none.
        DeploymentError: there is no such log group.
    """
    if not is_trace_id(trace_id):
        raise UserInputError(f"a trace id is 1-, 8 and 24 hexadecimal digits; got {trace_id!r}")
    pattern = f'{{ $.trace_id = "{trace_id}" }}'
    if only_failed:
        pattern = f'{{ ($.trace_id = "{trace_id}") && ($.failures = 1) }}'
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        filterPattern=pattern,
        startTime=int((int(trace_id[2:10], 16) - SLACK_S) * 1000),
        endTime=int((until_s + SLACK_S) * 1000),
    )
    try:
        yield from islice((event["message"].rstrip("\n") for page in pages for event in page["events"]), limit)
    except logs.exceptions.ResourceNotFoundException:
        raise DeploymentError(f"log group {group} is gone: run `cdk deploy`") from None
