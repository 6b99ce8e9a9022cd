"""Where Lambda is, and who calls it: what a deployment finds, and the executors use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where Lambda is and who calls it.

    Attributes:
        url: of the service.
        region: for the signature.
        credentials: botocore's, which renew themselves.
        verify: True, or a file of certificate authorities.
        proxies: by scheme.
        trace_id: the command that calls; X-Ray's header, which is no part of the signature.
    """

    url: str
    region: str
    credentials: Any
    verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=dict)
    trace_id: str = ""


def check_endpoint(url: str) -> str:
    """Return a service's URL without a slash at its end."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
