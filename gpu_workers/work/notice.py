"""When to stop: SIGTERM, Ctrl-C, and the two minutes' notice that a spot machine is given.

All of them set one `Stop`; whoever works looks at it between chunks.
"""

import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from mycelium.aws import calling_aws, make_client
from mycelium.errors import UserInputError

METADATA_ENDPOINT = "http://169.254.169.254"
"""Where a machine of EC2's asks about itself; nothing answers there on any other."""

NOTICE_EVERY_S = 2.0
"""AWS recommends to look every five seconds; a machine asks itself, and it costs nothing."""

_TOKEN_S = 21600
_TIMEOUT_S = 2.0


@dataclass(slots=True)
class Stop:
    """Whether to stop, and why.

    Attributes:
        event: set when it is time.
        reason: who said so, in words.
    """

    event: threading.Event = field(default_factory=threading.Event)
    reason: str = ""

    def set(self, reason: str) -> None:
        """Say that it is time to stop; the first reason is the one that is told."""
        self.reason = self.reason or reason
        self.event.set()

    @property
    def is_set(self) -> bool:
        """Whether it is time."""
        return self.event.is_set()


def stop_on_signals(stop: Stop) -> None:
    """Let SIGTERM and SIGINT set a stop; a second SIGINT ends the process as usual."""

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        stop.set(signal.Signals(number).name)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


class Metadata:
    """What a machine of EC2's is told about itself: IMDSv2, every question with a token."""

    def __init__(self, endpoint: str = METADATA_ENDPOINT) -> None:
        """Take an endpoint; nothing is asked yet."""
        self._endpoint = endpoint.rstrip("/")
        self._token: str | None = None

    def get(self, path: str) -> str | None:
        """Return an answer, ``spot/instance-action``, say; None if there is none, or nobody to ask."""
        for _ in range(2):
            try:
                self._token = self._token or self._ask("/latest/api/token", "PUT", "-ttl-seconds", str(_TOKEN_S))
                return self._ask(f"/latest/meta-data/{path}", "GET", "", self._token)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 401:
                    return None
                self._token = None
            except (OSError, ValueError):
                return None
        return None

    def _ask(self, path: str, method: str, header: str, value: str) -> str:
        request = urllib.request.Request(  # noqa: S310 - http, to the endpoint that was given
            self._endpoint + path, method=method, headers={f"X-aws-ec2-metadata-token{header}": value}
        )
        # No proxy stands between a machine and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            return str(answer.read(1 << 16).decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine is, if it is one of EC2's.

    Attributes:
        instance: its id; None elsewhere.
        instance_type: its type.
        lifecycle: ``spot`` or ``on-demand``.
        region: where it is.
    """

    instance: str | None = None
    instance_type: str | None = None
    lifecycle: str = ""
    region: str | None = None


def describe_machine(metadata: Metadata) -> Machine:
    """Ask a machine what it is."""
    instance = metadata.get("instance-id")
    if instance is None:
        return Machine()
    return Machine(
        instance,
        metadata.get("instance-type"),
        metadata.get("instance-life-cycle") or "",
        metadata.get("placement/region"),
    )


def leave_group_with(machine: Machine) -> None:
    """End a machine and make its Auto Scaling group one smaller, so that no other one is started in its place.

    Raises:
        UserInputError: this is no machine of EC2's.
        DeploymentError: the group refuses.
    """
    if machine.instance is None:
        raise UserInputError("--leave-group is for machines of an Auto Scaling group, and this is none of EC2's")
    client = make_client("autoscaling", machine.region)
    with calling_aws("the Auto Scaling group"):
        client.terminate_instance_in_auto_scaling_group(
            InstanceId=machine.instance, ShouldDecrementDesiredCapacity=True
        )


def watch_for_notice(
    metadata: Metadata, stop: Stop, wait: Callable[[threading.Event, float], bool] | None = None
) -> threading.Thread:
    """Look for a spot notice every `NOTICE_EVERY_S`, in a thread, until there is one or the stop is set.

    Args:
        metadata: whom to ask.
        stop: what a notice sets.
        wait: waits until an event is set or so many seconds are gone, and says whether it is set: the clock.
    """
    wait_for = wait or threading.Event.wait

    def watch() -> None:
        while True:
            notice = metadata.get("spot/instance-action")
            if notice is not None:
                stop.set(describe_notice(notice))
            if wait_for(stop.event, NOTICE_EVERY_S):
                return

    thread = threading.Thread(target=watch, name="notice", daemon=True)
    thread.start()
    return thread


def describe_notice(text: str) -> str:
    """Return a spot notice in words; whatever it says, it is one."""
    try:
        told = json.loads(text)
        return f"spot notice: {told['action']} at {told['time']}"
    except (ValueError, TypeError, KeyError):
        return "spot notice"
