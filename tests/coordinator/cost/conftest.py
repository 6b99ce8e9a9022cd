"""The stub of the cloud that the executors are tried on."""

from tests.coordinator.executors.conftest import cloud, deployment

__all__ = ["cloud", "deployment"]
