"""Prices asked of AWS: over HTTP, from a stub; what is not understood is refused whole."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from coordinator.cost.prices import LIST_PRICES
from coordinator.cost.refresh import MAX_PAGES, PRODUCTS, ask_prices
from mycelium.errors import UserInputError
from tests.coordinator.cost.price_list import Answer, answer_all, list_products, make_product, serve

TODAY = dt.date(2026, 11, 20)
ASKED = "AWSPriceListService.GetProducts"


class Api:
    """A stub that answers as it is told, and a client of it: one for all tests, since a client takes half a second."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Answer] = lambda _: (500, {})
        self.asked: list[dict[str, Any]] = []
        self.client: Any = None

    def reply(self, question: dict[str, Any]) -> Answer:
        return self.answer(question)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    made = Api()
    with serve(made.reply) as (url, made.asked):
        made.client = boto3.client(
            "pricing",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - of a stub
            config=Config(retries={"mode": "standard", "max_attempts": 1}),
        )
        yield made


@pytest.fixture
def ask(api: Api) -> Callable[..., Any]:
    """Ask a stub that answers in some way."""

    def ask(answer: Callable[[dict[str, Any]], Answer], region: str = "us-east-1") -> Any:
        api.answer = answer
        api.asked.clear()
        return ask_prices(region, api.client, TODAY), list(api.asked)

    return ask


def test_the_first_bracket_that_costs_something_is_the_price(ask: Callable[..., Any]) -> None:
    table, asked = ask(answer_all(list_products()))
    assert (table.region, table.date, table.source) == ("us-east-1", "2026-11-20", "the AWS Price List API")
    for kind in PRODUCTS:
        assert getattr(table, kind) == pytest.approx(getattr(LIST_PRICES, kind), rel=1e-12), kind
    assert {question["target"] for question in asked} == {ASKED}
    assert {question["ServiceCode"] for question in asked} == {"AWSLambda", "AmazonS3", "AmazonStates"}


def test_another_region_s_prices_are_its_own(ask: Callable[..., Any]) -> None:
    products = list_products("eu-central-1", "EUC1-")
    products["S3-API-Tier1"] = [
        make_product("S3-API-Tier1", "EUC1-Requests-Tier1", "Requests", ("0", "0.0000054"), region="eu-central-1"),
        *list_products()["S3-API-Tier1"],  # what was not asked for is passed over
    ]
    table, _ = ask(answer_all(products), "eu-central-1")
    assert (table.region, table.s3_put) == ("eu-central-1", 0.0000054)


def test_pages_are_followed_to_the_last(ask: Callable[..., Any]) -> None:
    products = list_products()

    def answer(question: dict[str, Any]) -> Answer:
        group = next(each["Value"] for each in question["Filters"] if each["Field"] == "group")
        at = int(question.get("NextToken", "0"))
        more = {} if at + 1 >= len(products[group]) else {"NextToken": str(at + 1)}
        return 200, {"PriceList": products[group][at : at + 1], **more}

    table, asked = ask(answer)
    assert table.lambda_arm64_gb_s == LIST_PRICES.lambda_arm64_gb_s
    assert len(asked) == sum(map(len, products.values()))


def change(group: str, *products: str) -> Callable[[dict[str, Any]], Answer]:
    """Return what answers as ever, but for one group."""
    return answer_all({**list_products(), group: list(products)})


TIER1 = json.loads(list_products()["S3-API-Tier1"][0])


def with_dimension(**changes: object) -> str:
    product = json.loads(json.dumps(TIER1))
    (dimension,) = product["terms"]["OnDemand"]["SKU.TERM"]["priceDimensions"].values()
    dimension.update(changes)
    return json.dumps(product)


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("", "a product of S3-API-Tier1"),
        ("not JSON", "a product of S3-API-Tier1"),
        ("null", "a product of S3-API-Tier1"),
        ("[1, 2]", "a product of S3-API-Tier1"),
        ("{}", "a product of S3-API-Tier1"),
        ("[" * 5000, "a product of S3-API-Tier1"),
        (json.dumps(TIER1 | {"terms": {}}), "a product of S3-API-Tier1"),
        (json.dumps(TIER1 | {"terms": {"OnDemand": []}}), "a product of S3-API-Tier1"),
        (json.dumps(TIER1 | {"terms": {"OnDemand": {}}}), "no price of s3_put"),
        (with_dimension(pricePerUnit={"CNY": "0.01"}), "a product of S3-API-Tier1"),
        (with_dimension(pricePerUnit={"USD": "free"}), "a product of S3-API-Tier1"),
        (with_dimension(pricePerUnit={"USD": "nan"}), "a product of S3-API-Tier1"),
        (with_dimension(pricePerUnit={"USD": "-1"}), "a product of S3-API-Tier1"),
        (with_dimension(pricePerUnit={"USD": "0.0"}), "no price of s3_put"),
        (with_dimension(pricePerUnit={"USD": "5"}), "below 1 US dollar"),
        (with_dimension(unit="1K Requests"), "a product of S3-API-Tier1"),  # a thousand times too dear
        (with_dimension(beginRange="first"), "a product of S3-API-Tier1"),
    ],
)
def test_an_answer_that_is_not_understood_is_refused_in_one_line(
    ask: Callable[..., Any], product: str, said: str
) -> None:
    with pytest.raises(UserInputError, match="answers what is not understood here") as caught:
        ask(change("S3-API-Tier1", product))
    assert said in str(caught.value)
    assert "the prices in use stay" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_prices_for_one_thing_are_refused_and_the_same_twice_is_not(ask: Callable[..., Any]) -> None:
    same = list_products()["S3-API-Tier1"][0]
    assert ask(change("S3-API-Tier1", same, same))[0].s3_put == LIST_PRICES.s3_put
    with pytest.raises(UserInputError, match="2 different prices of s3_put in us-east-1"):
        ask(change("S3-API-Tier1", same, with_dimension(pricePerUnit={"USD": "0.000006"})))


def test_a_region_without_these_services_is_said(ask: Callable[..., Any]) -> None:
    with pytest.raises(UserInputError, match="no price of lambda_arm64_gb_s in mars-1"):
        ask(answer_all(list_products()), "mars-1")


def test_pages_without_end_are_left(ask: Callable[..., Any]) -> None:
    asked = 0

    def answer(_: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        return 200, {"PriceList": [], "NextToken": "more"}

    with pytest.raises(UserInputError, match=f"more than {MAX_PAGES} pages"):
        ask(answer)
    assert asked == MAX_PAGES


def test_a_refusal_names_the_right_that_is_needed(ask: Callable[..., Any]) -> None:
    refusal = {"__type": "AccessDeniedException", "message": "User is not authorized"}
    with pytest.raises(UserInputError, match=r"refuses \(AccessDeniedException\): .* pricing:GetProducts"):
        ask(lambda _: (400, refusal))


@pytest.mark.parametrize("body", [b"", b"<html>a portal</html>", b"{", b"[]", b'"x"', b'{"PriceList": 5}'])
def test_what_is_not_the_api_is_said_in_one_line(ask: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(UserInputError) as caught:
        ask(lambda _: (200, body))
    assert "\n" not in str(caught.value)


def test_without_credentials_the_line_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(UserInputError, match="it needs AWS credentials and a network") as caught:
        ask_prices("us-east-1")
    assert "\n" not in str(caught.value)


def test_without_a_network_the_line_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: (200, {})) as (url, _):
        pass  # nobody listens there any longer
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(UserInputError, match="it needs AWS credentials and a network"):
        ask_prices("us-east-1")
