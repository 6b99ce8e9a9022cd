"""The stub of the cloud, for pipelines that run there."""

from tests.coordinator.executors.conftest import cloud, deployment

__all__ = ["cloud", "deployment"]
