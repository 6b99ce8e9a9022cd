"""The environment, read once, here and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

STORE_VARIABLE = "MYCELIUM_STORE"
DEFAULT_STORE = "store"
REGION_VARIABLE = "AWS_REGION"
DEPLOYMENT_VARIABLE = "MYCELIUM_DEPLOYMENT"
LOG_LEVEL_VARIABLE = "MYCELIUM_LOG_LEVEL"
LOG_LEVELS = ("INFO", "ERROR")
"""Of tasks: all, or those that failed."""
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; a command-line option wins over it.

    Attributes:
        store: URI of the store (`MYCELIUM_STORE`; default: the folder ``store`` below the current one).
        region: the AWS region (`AWS_REGION`; the CDK reads it, boto3 does not); None leaves it to boto3, which reads
            `AWS_DEFAULT_REGION` and the AWS configuration.
        deployment: the deployment that this function belongs to (`MYCELIUM_DEPLOYMENT`); empty outside.
        log_level: which tasks a function logs, one of `LOG_LEVELS` (`MYCELIUM_LOG_LEVEL`).
        endpoint: where requests to AWS go instead (`AWS_ENDPOINT_URL`, which boto3 reads itself); it is only told.
    """

    store: str = DEFAULT_STORE
    region: str | None = None
    endpoint: str | None = None
    deployment: str = ""
    log_level: str = LOG_LEVELS[0]

    @property
    def logs_all(self) -> bool:
        """Whether tasks that did not fail are logged, too; a level that is none of ours hides nothing."""
        return self.log_level.upper() != LOG_LEVELS[1]


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from an environment, this process's by default."""
    variables = os.environ if environment is None else environment
    return Settings(
        store=variables.get(STORE_VARIABLE) or DEFAULT_STORE,
        region=variables.get(REGION_VARIABLE) or None,
        deployment=variables.get(DEPLOYMENT_VARIABLE) or "",
        log_level=variables.get(LOG_LEVEL_VARIABLE) or LOG_LEVELS[0],
        endpoint=variables.get(ENDPOINT_VARIABLE) or None,
    )
