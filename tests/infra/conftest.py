"""The templates, synthesized once for all tests of the cloud."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra.templates import Cloud, synthesize


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """The deployment with every setting as it is by default."""
    return synthesize(tmp_path_factory.mktemp("cdk.out"))


@pytest.fixture
def deploy_with(tmp_path: Path) -> Callable[..., Cloud]:
    """A deployment with some settings of its own."""
    return lambda **context: synthesize(tmp_path / "cdk.out", context)
