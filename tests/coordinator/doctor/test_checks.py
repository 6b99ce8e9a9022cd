"""Each check: what it says of what is right, of what is missing, and of what is wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from coordinator.doctor.checks import (
    PROBES,
    Finding,
    check_credentials,
    check_deployment,
    check_disk,
    check_endpoint,
    check_gpu,
    check_packages,
    check_python,
    check_store,
)
from mycelium.errors import DeploymentError, StoreError, StoreNotAvailableError
from mycelium.extras import read_requirements
from mycelium.store import MemoryStore, ObjectInfo, PutMode, Store


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 10, 9), "bad"), ((3, 11, 0), "good"), ((3, 12, 1), "good"), ((3, 13, 7), "good"), ((3, 14, 0), "note")],
)
def test_the_python_s_that_are_tested_are_good(version: tuple[int, int, int], state: str) -> None:
    found = check_python(version)
    assert found.state == state
    assert bool(found.advice) == (state != "good")


REQUIREMENTS = read_requirements(
    ["numpy>=2.2", "click>=8.2; extra == 'coordinator'", "torch==2.13.0; extra == 'gpu'", "x>=1; extra == 'dev'"]
)


@pytest.mark.parametrize(
    ("have", "states", "said"),
    [
        ({"numpy": "2.4", "click": "8.5", "torch": "2.13.0+cpu"}, ["good", "good", "good"], "1 installed"),
        ({"numpy": "2.4", "click": "8.5"}, ["good", "good", "note"], "not installed: torch"),
        ({"numpy": "2.4"}, ["good", "bad", "note"], "not installed: click"),
        ({"numpy": "1.9", "click": "8.5"}, ["bad", "good", "note"], "of another version than is asked for: numpy 1.9"),
        ({"numpy": "2.4", "click": "8.5", "torch": "2.1"}, ["good", "good", "bad"], "torch 2.1"),
    ],
)
def test_packages_are_told_by_extra(have: dict[str, str], states: list[str], said: str) -> None:
    found = check_packages(REQUIREMENTS, have.get)
    assert [finding.what for finding in found] == ["packages", "packages: coordinator", "packages: gpu"]
    assert [finding.state for finding in found] == states
    assert any(said in finding.said for finding in found)
    for finding in found:
        assert finding.state == "good" or finding.advice.startswith("pip install --upgrade 'mycelium")


def refuse(message: str) -> Callable[[], str]:
    def ask() -> str:
        raise DeploymentError(message)

    return ask


def test_credentials_are_bad_only_where_something_needs_them() -> None:
    assert check_credentials(lambda: "arn:aws:iam::1:user/me", needed=True).state == "good"
    assert check_credentials(refuse("none"), needed=True).state == "bad"
    assert check_credentials(refuse("none"), needed=False).state == "note"


def test_a_key_in_an_error_is_not_shown() -> None:
    found = check_credentials(refuse("AWS does not know AKIAIOSFODNN7EXAMPLE"), needed=True)
    assert found.said == "AWS does not know …"


@dataclass(frozen=True)
class Deployed:
    """What is found of a deployment."""

    bucket: str = "data"
    region: str = "eu-west-3"


@pytest.mark.parametrize(
    ("error", "needed", "state"),
    [
        (None, False, "good"),
        ("no deployment 'x' in region eu-west-3", False, "note"),
        ("no deployment 'x' in region eu-west-3", True, "bad"),
        ("deployment 'x' is of version 0.9, and this code is 1.0: run `cdk deploy`", False, "bad"),
    ],
)
def test_a_deployment_is_bad_when_it_was_asked_for_or_is_of_another_version(
    error: str | None, needed: bool, state: str
) -> None:
    def find() -> Deployed:
        if error is not None:
            raise DeploymentError(error)
        return Deployed()

    found = check_deployment("x", find, needed=needed)
    assert found.state == state
    assert (error or "bucket data") in found.said


def test_a_good_store_is_left_as_it_was(store: Store) -> None:
    store.put("iaf/a/00000.parquet", b"x")
    assert check_store(store, "0123") == Finding(
        f"store {store.uri}", "good", "written, read, listed, created once only, deleted"
    )
    assert [info.key for info in store.list()] == ["iaf/a/00000.parquet"]


class Replaces(MemoryStore):
    """A store that knows no If-None-Match."""

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        super().put(key, data, "overwrite")


class Forgets(MemoryStore):
    """A store that loses a byte."""

    def get(self, key: str) -> bytes:
        return super().get(key)[:-1]


class ListsNothing(MemoryStore):
    """A bucket without the right to list."""

    def list(self, prefix: str = "", page_size: int = 1000, cuts: Sequence[str] = ()) -> Iterator[ObjectInfo]:
        return iter(())


class Keeps(MemoryStore):
    """A bucket without the right to delete."""

    def delete(self, key: str) -> None:
        raise StoreNotAvailableError("AccessDenied")


class Forbids(MemoryStore):
    """A bucket without the right to write."""

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        raise StoreNotAvailableError("refuses these AWS credentials (AccessDenied) of AKIAIOSFODNN7EXAMPLE")


class Fails(MemoryStore):
    """A store that breaks while it is read."""

    def get(self, key: str) -> bytes:
        raise StoreError("InternalError")


@pytest.mark.parametrize(
    ("store", "state", "said"),
    [
        (Replaces(), "bad", "it replaces an object that must only be created"),
        (Forgets(), "bad", "it gives back other bytes"),
        (ListsNothing(), "bad", "it does not list"),
        (Keeps(), "note", "it does not delete"),
        (Forbids(), "bad", "refuses these AWS credentials (AccessDenied) of …"),
        (Fails(), "bad", "InternalError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_store_that_breaks_a_promise_is_told(store: MemoryStore, state: str, said: str) -> None:
    found = check_store(store, "0123")
    assert (found.state, found.advice != "") == (state, True)
    assert said in found.said
    left = [info.key for info in MemoryStore.list(store)]
    assert left == ([f"{PROBES}doctor-0123"] if isinstance(store, Keeps) else [])


@pytest.mark.parametrize(("free", "state"), [(0, "bad"), (2 << 30, "note"), (100 << 30, "good")])
def test_a_full_disk_is_bad(free: int, state: str) -> None:
    assert check_disk("/tmp", free).state == state  # noqa: S108 - a name to show


@pytest.mark.parametrize(
    ("gpus", "torch", "state"),
    [
        ((), None, "note"),
        ((), "2.13.0+cpu", "note"),
        (("NVIDIA H200",), None, "note"),
        (("NVIDIA H200",), "2.13.0+cpu", "bad"),
        (("NVIDIA H200",), "2.13.0", "good"),
    ],
)
def test_a_gpu_wants_a_torch_that_sees_it(gpus: tuple[str, ...], torch: str | None, state: str) -> None:
    assert check_gpu(gpus, torch).state == state


@pytest.mark.parametrize(
    ("endpoint", "state", "said"),
    [
        (None, "good", "AWS's own"),
        ("http://user:hunter2@127.0.0.1:4566/x", "note", "goes to http://127.0.0.1:4566, by AWS_ENDPOINT_URL"),
        ("localhost:4566", "bad", "is no URL"),
        ("http://host:no", "bad", "is no URL"),
    ],
)
def test_an_endpoint_is_told_without_what_is_secret(endpoint: str | None, state: str, said: str) -> None:
    found = check_endpoint(endpoint)
    assert found.state == state
    assert said in found.said
    assert "hunter2" not in found.said
