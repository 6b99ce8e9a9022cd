"""Ask the AWS Price List API for the prices of one region.

The API answers each product as a JSON document in a string, with prices as strings, in brackets by amount used; free
tiers are brackets of price 0, or products of the location "Any". What is taken is the first bracket that costs
something: the dearest, and the one that all but the largest accounts are in. An answer that is not as expected is
refused whole, and what was there before stays in use.
"""

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from coordinator.cost.prices import KINDS, PriceTable, check_prices
from mycelium.errors import MyceliumError, UserInputError
from mycelium.hint import say_command

API_REGION = "us-east-1"
"""The API answers for all regions, from a few of them."""

MAX_PAGES = 20


class _Product(NamedTuple):
    """Where the price list has one of our prices.

    Attributes:
        service: the service's code.
        group: the product's group.
        usage: how the product's usage type ends; what is before it is a region's short name.
        unit: what is counted.
    """

    service: str
    group: str
    usage: str
    unit: frozenset[str]


_SECONDS = frozenset({"Lambda-GB-Second", "Second", "seconds", "Seconds", "GB-Seconds", "Lambda-GB-Seconds"})
_REQUESTS = frozenset({"Request", "Requests", "requests"})

PRODUCTS = {
    "lambda_arm64_gb_s": _Product("AWSLambda", "AWS-Lambda-Duration-ARM", "Lambda-GB-Second-ARM", _SECONDS),
    "lambda_x86_64_gb_s": _Product("AWSLambda", "AWS-Lambda-Duration", "Lambda-GB-Second", _SECONDS),
    "lambda_request": _Product("AWSLambda", "AWS-Lambda-Requests-ARM", "Request-ARM", _REQUESTS),
    "s3_put": _Product("AmazonS3", "S3-API-Tier1", "Requests-Tier1", _REQUESTS),
    "s3_get": _Product("AmazonS3", "S3-API-Tier2", "Requests-Tier2", _REQUESTS),
    "transition": _Product(
        "AmazonStates", "SFN-StateTransitions", "StateTransition", frozenset({"StateTransitions", "StateTransition"})
    ),
}
"""Each price of a table, and where it is found."""


def ask_prices(region: str, client: Any = None, today: dt.date | None = None) -> PriceTable:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return the prices of a region as AWS says them now.

    Args:
        region: which, ``eu-west-1``, say.
        client: a boto3 client of ``pricing``; made from the environment's credentials if not given.
        today: the date that they are of.

    Raises:
        UserInputError: no credentials, no network, or an answer that is not understood.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only this pays for it

    try:
        client = client if client is not None else _make_client()
        found = {kind: _ask(client, region, kind, product) for kind, product in PRODUCTS.items()}
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        raise UserInputError(
            f"the AWS Price List API refuses ({code}): credentials that may pricing:GetProducts are needed, "
            f"see `aws sts get-caller-identity`; {_instead()}"
        ) from None
    except BotoCoreError as error:
        raise UserInputError(
            f"the AWS Price List API can't be asked ({error}): it needs AWS credentials and a network; {_instead()}"
        ) from None
    on = dt.datetime.now(dt.UTC).date() if today is None else today
    try:
        return check_prices(
            PriceTable(region, on.isoformat(), "the AWS Price List API", *(found[kind] for kind in KINDS))
        )
    except ValueError as error:
        raise _misunderstood(str(error)) from None


def _make_client() -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    import boto3  # noqa: PLC0415 - only this pays for it
    from botocore.config import Config  # noqa: PLC0415

    config = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=10, read_timeout=30)
    return boto3.client("pricing", region_name=API_REGION, config=config)


def _ask(client: Any, region: str, kind: str, product: _Product) -> float:  # noqa: ANN401 - boto3 is not typed
    """Return one price: that of the one product which is meant."""
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - only this pays for it

    filters = [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
        {"Type": "TERM_MATCH", "Field": "group", "Value": product.group},
    ]
    prices: set[float] = set()
    token: dict[str, str] = {}
    for _ in range(MAX_PAGES):
        try:
            answer = client.get_products(ServiceCode=product.service, Filters=filters, FormatVersion="aws_v1", **token)
        except (ResponseParserError, AttributeError, LookupError, RecursionError, TypeError) as error:
            raise _misunderstood(f"no list of products, says botocore: {type(error).__name__}") from None
        for text in answer.get("PriceList", []):
            price = _read_product(text, region, product)
            if price is not None:
                prices.add(price)
        if not answer.get("NextToken"):
            break
        token = {"NextToken": answer["NextToken"]}
    else:
        raise _misunderstood(f"more than {MAX_PAGES} pages of {product.group}")
    if len(prices) != 1:
        what = "no price" if not prices else f"{len(prices)} different prices"
        raise _misunderstood(f"{what} of {kind} in {region} ({product.service}, {product.group})")
    return prices.pop()


def _read_product(text: object, region: str, product: _Product) -> float | None:
    """Return the price of a product; None if it is another product than is meant."""
    try:
        document: Any = msgspec.json.decode(text) if isinstance(text, str) else text
        attributes = document["product"]["attributes"]
        if attributes.get("group") != product.group or attributes.get("regionCode") != region:
            return None
        if not f"-{attributes.get('usagetype')}".endswith(f"-{product.usage}"):
            return None
        brackets = sorted(_read_brackets(document["terms"]["OnDemand"], product))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _misunderstood(f"{type(error).__name__} in a product of {product.group}") from None
    return next((price for _, price in brackets if price > 0), None)


def _read_brackets(terms: dict[str, Any], product: _Product) -> Iterator[tuple[float, float]]:
    """Yield where each bracket begins, and its price."""
    for term in terms.values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"] not in product.unit:
                raise ValueError(f"the unit {dimension['unit']!r}")
            begin, price = float(dimension["beginRange"]), float(dimension["pricePerUnit"]["USD"])
            if not math.isfinite(begin) or not math.isfinite(price) or price < 0:
                raise ValueError("a price that is no amount")
            yield begin, price


def _misunderstood(what: str) -> MyceliumError:
    return UserInputError(f"the AWS Price List API answers what is not understood here ({what[:200]}); {_instead()}")


def _instead() -> str:
    """Say what is used in place of what could not be asked."""
    return f"the prices in use stay; `{say_command('coordinator prices')}` shows them"
