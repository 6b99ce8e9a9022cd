"""The environment."""

import tempfile
from pathlib import Path

import pytest

from mycelium.errors import UserInputError
from mycelium.settings import expand_home, read_environment, read_settings


@pytest.mark.parametrize(
    ("environment", "store"),
    [({}, "store"), ({"MYCELIUM_STORE": "s3://b"}, "s3://b"), ({"MYCELIUM_STORE": ""}, "store")],
)
def test_the_store_is_said_by_one_variable(environment: dict[str, str], store: str) -> None:
    assert read_settings(environment).store == store


def test_the_environment_is_this_process_s_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYCELIUM_STORE", "/somewhere")
    assert read_settings().store == "/somewhere"


def test_a_function_learns_its_deployment_and_what_to_log() -> None:
    said = read_settings({"MYCELIUM_DEPLOYMENT": "mine", "MYCELIUM_LOG_LEVEL": "ERROR"})
    assert (said.deployment, said.logs_all) == ("mine", False)
    assert (read_settings({}).deployment, read_settings({}).logs_all) == ("", True)


def test_the_region_is_said_by_the_variable_that_the_cdk_reads_and_else_left_to_boto3() -> None:
    assert read_settings({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "us-east-1"}).region == "eu-west-3"
    assert read_settings({"AWS_DEFAULT_REGION": "us-east-1"}).region is None


def test_another_endpoint_is_told() -> None:
    assert read_settings({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}).endpoint == "http://127.0.0.1:4566"
    assert read_settings({"AWS_ENDPOINT_URL": ""}).endpoint is None


def test_the_cache_is_where_the_desktop_s_convention_has_it() -> None:
    assert read_settings({"XDG_CACHE_HOME": "/elsewhere"}).cache == Path("/elsewhere/mycelium")
    assert read_settings({}).cache == Path.home() / ".cache" / "mycelium"


def test_where_nobody_has_a_home_the_cache_is_among_the_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", refuse)
    assert read_settings({}).cache == Path(tempfile.gettempdir()) / "mycelium"


def test_a_process_that_is_to_have_the_same_environment_gets_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "else")
    assert read_environment()["SOMETHING"] == "else"


def test_a_home_that_is_not_here_is_said_in_one_line() -> None:
    assert expand_home("~/x") == Path.home() / "x"
    assert expand_home("a/~b") == Path("a/~b")
    with pytest.raises(UserInputError, match="^~no-such-user-/x: nobody here has a home of that name"):
        expand_home("~no-such-user-/x")
