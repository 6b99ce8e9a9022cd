"""Find what functions logged for one command, by its trace id."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from mycelium.errors import DeploymentError, UserInputError
from mycelium.tracing import is_trace_id

SLACK_S = 60.0
"""Clocks differ by less: lines are looked for from so long before the command, and until so long after it."""


def find_log_groups(lambdas: Any, function: str) -> tuple[str, ...]:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return the log group that a function is told to write to, and the one that it would have without being told.

    An emulator may write to the latter, whatever the function was told: LocalStack does.

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
    usual = f"/aws/lambda/{function}"
    return tuple(dict.fromkeys((str(found.get("LoggingConfig", {}).get("LogGroup") or usual), usual)))


def search_lines(
    logs: Any,  # noqa: ANN401 - boto3 makes its clients at run time
    groups: Sequence[str],
    trace_id: str,
    until_s: float,
    *,
    only_failed: bool = False,
    limit: int = 1000,
) -> Iterator[str]:
    """Yield the lines that a command's tasks have logged, the earliest first.

    Args:
        logs: a boto3 client of CloudWatch Logs.
        groups: log groups; those after the first are looked at where nothing was found in those before.
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
    gone: list[str] = []
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group,
            filterPattern=pattern,
            startTime=int((int(trace_id[2:10], 16) - SLACK_S) * 1000),
            endTime=int((until_s + SLACK_S) * 1000),
        )
        found = False
        try:
            lines = (event["message"].rstrip("\n") for page in pages for event in page["events"])
            for line in islice((line for line in lines if _is_wanted(line, trace_id, only_failed)), limit):
                found = True
                yield line
        except logs.exceptions.ResourceNotFoundException:
            gone.append(group)
        if found:
            return
    if len(gone) == len(groups):
        raise DeploymentError(f"log group {groups[0]} is gone: run `cdk deploy`")


class _Named(msgspec.Struct):
    """What tells a line that a task has logged from others."""

    trace_id: str
    failures: int = 0


def _is_wanted(line: str, trace_id: str, only_failed: bool) -> bool:  # noqa: FBT001 - as it was asked for
    """Look at a line itself: an emulator may know no patterns, and answer with all there is."""
    try:
        named = msgspec.json.decode(line, type=_Named)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return named.trace_id == trace_id and (not only_failed or named.failures > 0)
