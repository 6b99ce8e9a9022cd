"""What can happen to a child, as values on one queue: the sandbox decides what each of them means."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the function.

    Attributes:
        request_id: AWS's id of the call.
        function_arn: The ARN that was called, with the qualifier if one was given.
        payload: The event, JSON.
        trace_id: The X-Ray header.
        deadline_ms: When the function times out, in milliseconds since 1970.
    """

    request_id: str
    function_arn: str
    payload: bytes
    trace_id: str
    deadline_ms: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime asked for the next invocation: the handler is loaded, or done with the one before."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The runtime posted what the handler returned, or (`is_error`) what it raised."""

    body: bytes
    is_error: bool


@dataclass(frozen=True, slots=True)
class AnswerTooLarge:
    """The runtime posted more bytes than Lambda lets through; it was told so."""

    limit_bytes: int


@dataclass(frozen=True, slots=True)
class InitFailed:
    """The runtime could not load the handler."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Exited:
    """The child is gone.

    Attributes:
        status: Its exit status; the negative number of a signal that ended it.
    """

    status: int


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The child held more memory than the function has."""


Event = Ready | Answered | AnswerTooLarge | InitFailed | Exited | OutOfMemory
