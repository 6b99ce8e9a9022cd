"""The table of prices: US dollars for each thing that AWS bills a run for, of one region and one date.

Prices change, and those of AWS's own pages hold. `python -m coordinator prices --refresh` asks the AWS Price List API
and keeps the answer in the user's cache folder; from then on that table is used, until it is asked for anew or deleted.
What GPU machines cost an hour is in `coordinator.fleet.prices`: they are planned for by the machine.
"""

import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import msgspec

from mycelium.errors import UserInputError
from mycelium.hint import say_command
from mycelium.settings import read_settings

DEFAULT_REGION = "us-east-1"
FILE = "prices.json"
ARM64 = "arm64"
"""The processor of functions where nothing says another: what is deployed unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """What AWS bills, in US dollars, without free tiers and in the first price bracket: the dearest of each.

    Attributes:
        region: where.
        date: when these prices were true, ``2026-11-20`` or ``2026-11``.
        source: whence they are.
        lambda_arm64_gb_s: one GB of a function's memory for one second, on arm64.
        lambda_x86_64_gb_s: the same on x86_64.
        lambda_request: one invocation.
        s3_put: one PUT, COPY, POST or LIST of S3 Standard.
        s3_get: one GET.
        transition: one state transition of a standard workflow of Step Functions; one tried again is another.
        architecture: the processor that functions are taken to have.
    """

    region: str
    date: str
    source: str
    lambda_arm64_gb_s: float
    lambda_x86_64_gb_s: float
    lambda_request: float
    s3_put: float
    s3_get: float
    transition: float
    architecture: str = field(default=ARM64, kw_only=True)

    @property
    def of(self) -> str:
        """Where and when AWS took these prices, and for which functions, in a few words."""
        return f"{self.region}, {self.date}, functions on {self.architecture}"

    @property
    def gb_s(self) -> float:
        """One GB of a function's memory for one second."""
        return self.lambda_arm64_gb_s if self.architecture == ARM64 else self.lambda_x86_64_gb_s

    def on(self, architecture: str) -> "PriceTable":
        """Return the same prices for functions on such a processor; of one that is none of these, the dearer."""
        return replace(self, architecture=architecture)


KINDS = tuple(one.name for one in fields(PriceTable) if one.type is float)
"""The prices of a table, by name."""

LIST_PRICES = PriceTable(
    region=DEFAULT_REGION,
    date="2026-11",
    source="aws.amazon.com/lambda/pricing, aws.amazon.com/s3/pricing, aws.amazon.com/step-functions/pricing",
    lambda_arm64_gb_s=0.0000133334,
    lambda_x86_64_gb_s=0.0000166667,
    lambda_request=0.20 / 1e6,
    s3_put=0.005 / 1e3,
    s3_get=0.0004 / 1e3,
    transition=25 / 1e6,
)
"""The prices that come with the code."""


def check_prices(table: PriceTable) -> PriceTable:
    """Return a table whose prices are all positive numbers, and none absurd.

    Raises:
        ValueError: one is not.
    """
    for name in KINDS:
        price = getattr(table, name)
        if not (math.isfinite(price) and 0 < price < 1):
            raise ValueError(f"a price of {name} is above 0 and below 1 US dollar; got {price}")
    return table


def price_file(cache: Path | None = None) -> Path:
    """Return where a table that was asked for is kept."""
    return (read_settings().cache if cache is None else cache) / FILE


def read_prices(cache: Path | None = None) -> PriceTable:
    """Return the table to use: the one that AWS was asked for last, or else the one that comes with the code.

    Args:
        cache: the folder that holds it; the settings' if not given.

    Raises:
        UserInputError: there is one, and it can't be read.
    """
    path = price_file(cache)
    try:
        return check_prices(msgspec.json.decode(path.read_bytes(), type=PriceTable))
    except (FileNotFoundError, NotADirectoryError):
        return LIST_PRICES
    except (OSError, RecursionError, ValueError) as error:
        raise UserInputError(
            f"the prices in {path} can't be read ({error}): `{say_command('coordinator prices --refresh')}` writes "
            "them anew, and without that file those that come with the code are used"
        ) from None


def write_prices(table: PriceTable, cache: Path | None = None) -> Path:
    """Keep a table in the cache folder, whole or not at all, and return where.

    Raises:
        UserInputError: the folder can't be written.
    """
    path = price_file(cache)
    half = path.with_suffix(".half")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1))
        half.replace(path)
    except OSError as error:
        raise UserInputError(
            f"the prices can't be kept in {path}: {error.strerror}; XDG_CACHE_HOME names another folder"
        ) from None
    return path
