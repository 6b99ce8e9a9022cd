"""The environment, read once, here and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mycelium.errors import UserInputError

STORE_VARIABLE = "MYCELIUM_STORE"
DEFAULT_STORE = "store"
REGION_VARIABLE = "AWS_REGION"
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
CACHE_VARIABLE = "XDG_CACHE_HOME"
DEFAULT_CACHE = "~/.cache"
DEPLOYMENT_VARIABLE = "MYCELIUM_DEPLOYMENT"
LOG_LEVEL_VARIABLE = "MYCELIUM_LOG_LEVEL"
LOG_LEVELS = ("INFO", "ERROR")
"""Of tasks: all, or those that failed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; a command-line option wins over it.

    Attributes:
        store: URI of the store (`MYCELIUM_STORE`; default: the folder ``store`` below the current one).
        region: the AWS region (`AWS_REGION`; the CDK reads it, boto3 does not); None leaves it to boto3, which reads
            `AWS_DEFAULT_REGION` and the AWS configuration.
        endpoint: where requests to AWS go instead (`AWS_ENDPOINT_URL`, which boto3 reads itself); it is only told.
        cache: our folder for what can be had again, in the user's for such (`XDG_CACHE_HOME`; default: ``~/.cache``).
        deployment: the deployment that this function belongs to (`MYCELIUM_DEPLOYMENT`); empty outside.
        log_level: which tasks a function logs, one of `LOG_LEVELS` (`MYCELIUM_LOG_LEVEL`).
    """

    store: str = DEFAULT_STORE
    region: str | None = None
    endpoint: str | None = None
    cache: Path = Path(DEFAULT_CACHE) / "mycelium"
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
        endpoint=variables.get(ENDPOINT_VARIABLE) or None,
        cache=_find_cache(variables.get(CACHE_VARIABLE) or DEFAULT_CACHE) / "mycelium",
        deployment=variables.get(DEPLOYMENT_VARIABLE) or "",
        log_level=variables.get(LOG_LEVEL_VARIABLE) or LOG_LEVELS[0],
    )


def expand_home(path: str | Path) -> Path:
    """Return a path whose ``~`` or ``~somebody`` is the folder that it stands for.

    Raises:
        UserInputError: this system knows no such folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # what pathlib raises; it is no OSError
        raise UserInputError(f"{path}: nobody here has a home of that name; write the whole path") from None


def _find_cache(folder: str) -> Path:
    try:
        return expand_home(folder)
    except UserInputError:  # a user without a home, as in many a container
        import tempfile  # noqa: PLC0415 - hardly anybody waits for it

        return Path(tempfile.gettempdir())


def read_environment() -> dict[str, str]:
    """Return this process's environment as it is, for a process that is to have the same."""
    return dict(os.environ)
