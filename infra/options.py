"""What can be set about a deployment: a few CDK context values, `cdk deploy -c name=value`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.errors import UserInputError
from mycelium.settings import LOG_LEVELS

Architecture = Literal["arm64", "x86_64"]

ARCHITECTURES: tuple[Architecture, ...] = ("arm64", "x86_64")
PYTHONS = ("3.12", "3.13", "3.14")
LOG_RETENTIONS = (1, 7, 14, 30, 90, 180, 365)
"""Of the retentions that CloudWatch Logs knows, those that make sense here, days."""


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of one deployment; each field is the CDK context value of that name.

    Attributes:
        deployment: the name below which everything is published, and the stack's; two deployments live side by side in
            one account under two names.
        architecture: the functions' processor, ``arm64`` or ``x86_64``; arm64 costs a fifth less.
        python: the functions' Python, ``3.13``, say.
        log_retention_days: how long logs are kept.
        log_level: which tasks the functions log: ``INFO`` for all, ``ERROR`` for those that failed. What is not logged
            is not counted by the metrics, either.
        output_days: after how many days a run's outputs are deleted; a run again makes them again. 0 keeps them for
            ever. Problems, signals and manifests are never deleted.
        budget_usd: what the account may cost in a month before a budget says so; 0 makes no budget.
        email: who hears of alarms and of the budget; nobody if empty.
        gpu_instance_type: the GPU machines' type.
        gpu_max: how many GPU machines there may be at once.
    """

    deployment: str = DEFAULT_DEPLOYMENT
    architecture: Architecture = "arm64"
    python: str = "3.13"
    log_retention_days: int = 30
    log_level: str = LOG_LEVELS[0]
    output_days: int = 365
    budget_usd: int = 0
    email: str = ""
    gpu_instance_type: str = "g6.xlarge"
    gpu_max: int = 4

    def __post_init__(self) -> None:
        """Refuse what can't be deployed, before anything is built."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", self.deployment) or self.deployment.startswith(("aws", "ssm")):
            raise UserInputError(
                "deployment is 1 to 40 of a-z, 0-9 and -, begins with a letter, and not with aws or ssm; "
                f"got {self.deployment!r}"
            )
        _check_choice("architecture", self.architecture, ARCHITECTURES)
        _check_choice("python", self.python, PYTHONS)
        _check_choice("log_retention_days", self.log_retention_days, LOG_RETENTIONS)
        _check_choice("log_level", self.log_level, LOG_LEVELS)
        for name in ("output_days", "budget_usd", "gpu_max"):
            if getattr(self, name) < 0:
                raise UserInputError(f"{name} is 0 or more; got {getattr(self, name)}")
        if self.email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", self.email):
            raise UserInputError(f"email is an address such as you@example.org; got {self.email!r}")
        if not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", self.gpu_instance_type):
            raise UserInputError(f"gpu_instance_type is an EC2 type such as g6.xlarge; got {self.gpu_instance_type!r}")


def read_options(get_context: Callable[[str], object]) -> Options:
    """Read the settings from the CDK's context; what is not there has its default.

    Args:
        get_context: gives a context value by name, or None.

    Raises:
        UserInputError: a value is not one that can be deployed.
    """
    given = {field.name: get_context(field.name) for field in fields(Options)}
    whole = {field.name for field in fields(Options) if field.type is int}
    values: dict[str, Any] = {
        name: _read_whole(name, value) if name in whole else str(value)
        for name, value in given.items()
        if value is not None
    }
    return Options(**values)


def _read_whole(name: str, value: object) -> int:
    try:
        # The command line gives text, cdk.json numbers, and the CDK makes a float of each of those.
        number = float(str(value))
    except ValueError:
        raise UserInputError(f"{name} is a whole number; got {value!r}") from None
    if not number.is_integer():  # nor is what is no number, or infinite
        raise UserInputError(f"{name} is a whole number; got {value!r}")
    return int(number)


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise UserInputError(f"{name} is one of {', '.join(map(str, choices))}; got {value!r}")
