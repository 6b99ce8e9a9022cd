"""The trace id: the one name of a command and of all that it causes, on this machine and on others.

A command makes it once. It is in every event that the command tells, in the event of every function that it invokes, in
what those log, and in the manifest, so that one search finds all that belongs together. No output depends on it.
"""

import re
import secrets
import time
from collections.abc import Callable

TRACE_HEADER = "X-Amzn-Trace-Id"
"""The header by which a trace id goes with a request to AWS."""

_FORM = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")


def make_trace_id(clock: Callable[[], float] = time.time, draw: Callable[[int], str] = secrets.token_hex) -> str:
    """Return a new trace id, ``1-5759e988-bd862e3fe1be46a994272793``: X-Ray's form, which is W3C's but for two dashes.

    Args:
        clock: seconds since the epoch; the eight digits.
        draw: so many random bytes, hexadecimal; the 24 digits.
    """
    return f"1-{int(clock()) & 0xFFFFFFFF:08x}-{draw(12)}"


def is_trace_id(text: str) -> bool:
    """Return whether a text is a trace id."""
    return _FORM.fullmatch(text) is not None


def trace_headers(trace_id: str) -> dict[str, str]:
    """Return the header that a request carries for a trace; none without one.

    Whether the trace is sampled is not said: that is decided by who has tracing turned on.
    """
    return {TRACE_HEADER: f"Root={trace_id}"} if is_trace_id(trace_id) else {}
