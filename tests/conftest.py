"""Fixtures that many rooms' tests share."""

import importlib.util
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, settings
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from mycelium.store import LocalStore, MemoryStore, S3Store, Store

# A shell that starts the tests in the background has Ctrl-C ignored, and what they start inherits that: the tests of
# Ctrl-C would then wait for something that never happens.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports these: no test talks to a hub, to AWS, or about its progress.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Nor do torch's threads wait for each other on cores that other tests have: the models of tests are so small that one
# thread computes as fast, and two that spin at every operation's end take ten times as long on a machine that is busy.
# Not OMP_NUM_THREADS, which Arrow reads, too: that any number of its threads gives the same bytes is tested here.
os.environ.setdefault("MKL_NUM_THREADS", "1")
# Nor does Triton, where it is installed, look for a GPU that is not there: it interprets its kernels on the CPU.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# On a Python that torch has no build for, or without the extra, the rest is tested: CONTRIBUTING.md says where it was.
NEED_TORCH = [
    "gpu_workers",
    "mycelium/signals/test_rounding.py",
    "samples",
    "test_notebooks.py",
    "test_readme.py",
    "test_two_ways.py",
]
collect_ignore = [] if importlib.util.find_spec("torch") or "CI" in os.environ else NEED_TORCH

# A busy machine is slow, and no test may fail for that.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,  # what CI says of a change is about that change
)
settings.load_profile("house")


TOGETHER = (
    "tests/integration/",  # they share a LocalStack
    "tests/test_two_ways.py",  # what their module's fixture makes takes longer than they do
    "tests/test_notebooks.py",
    "tests/test_wheel.py",
)
"""Whose tests go to one worker: on several, each would make anew what they share."""


class Dealing(LoadScopeScheduling):  # type: ignore[misc] # xdist is not typed
    """Each test goes to whoever is free, and those of `TOGETHER` to one.

    xdist's own `--dist loadgroup` does nothing under pytest 9.2, whose items no longer take a group into their ids.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Dealing:
    """Deal the tests out in that way."""
    return Dealing(config, log)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 endpoint over HTTP, on the loopback address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", _one_at_a_time(S3Response.put_object))
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


def _one_at_a_time(put: Callable[[S3Response], Any]) -> Callable[[S3Response], Any]:
    """Make a conditional put one step, as it is on S3: moto looks whether the object is there, and then writes it."""
    lock = threading.Lock()

    def put_object(self: S3Response) -> Any:
        with lock:
            return put(self)

    return put_object


@pytest.fixture
def aws(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment in which boto3 talks to that endpoint."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return s3_endpoint


@pytest.fixture
def bucket(aws: str) -> str:
    """A new, empty bucket at that endpoint."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["memory", "local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store, empty."""
    if request.param == "memory":
        return MemoryStore()
    if request.param == "local":
        (tmp_path / "store").mkdir()
        return LocalStore(tmp_path / "store")
    return S3Store(request.getfixturevalue("bucket"), "some/prefix")
