"""The environment, read once, here and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

STORE_VARIABLE = "MYCELIUM_STORE"
DEFAULT_STORE = "store"
REGION_VARIABLE = "AWS_REGION"
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; a command-line option wins over it.

    Attributes:
        store: URI of the store (`MYCELIUM_STORE`; default: the folder ``store`` below the current one).
        region: the AWS region (`AWS_REGION`; the CDK reads it, boto3 does not); None leaves it to boto3, which reads
            `AWS_DEFAULT_REGION` and the AWS configuration.
        endpoint: where requests to AWS go instead (`AWS_ENDPOINT_URL`, which boto3 reads itself); it is only told.
    """

    store: str = DEFAULT_STORE
    region: str | None = None
    endpoint: str | None = None


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from an environment, this process's by default."""
    variables = os.environ if environment is None else environment
    return Settings(
        store=variables.get(STORE_VARIABLE) or DEFAULT_STORE,
        region=variables.get(REGION_VARIABLE) or None,
        endpoint=variables.get(ENDPOINT_VARIABLE) or None,
    )
