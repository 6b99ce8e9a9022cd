"""A stub of the AWS Price List API over HTTP on 127.0.0.1, in the shapes that the real one answers.

Products are JSON documents in strings, prices are strings, brackets end at "Inf", free tiers are brackets of nothing or
products of the location "Any".
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, object]
"""An HTTP status, and what is said."""


def make_product(group: str, usage: str, unit: str, *brackets: tuple[str, str], region: str = "us-east-1") -> str:
    """Make one product of a price list: brackets are where each begins, and its price."""
    dimensions = {
        f"SKU.TERM.{i}": {
            "rateCode": f"SKU.TERM.{i}",
            "description": "$0.004 per 10,000 of whatever it is",
            "beginRange": begin,
            "endRange": brackets[i + 1][0] if i + 1 < len(brackets) else "Inf",
            "unit": unit,
            "pricePerUnit": {"USD": price},
            "appliesTo": [],
        }
        for i, (begin, price) in enumerate(brackets)
    }
    return json.dumps(
        {
            "product": {"sku": "SKU", "attributes": {"group": group, "usagetype": usage, "regionCode": region}},
            "serviceCode": "Service",
            "terms": {"OnDemand": {"SKU.TERM": {"sku": "SKU", "priceDimensions": dimensions}}},
            "version": "20261101000000",
        }
    )


def list_products(region: str = "us-east-1", prefix: str = "") -> dict[str, list[str]]:
    """Return the products of a region, by group."""

    def make(group: str, usage: str, unit: str, *brackets: tuple[str, str]) -> str:
        return make_product(group, prefix + usage, unit, *brackets, region=region)

    gb_s = "Lambda-GB-Second"
    return {
        "AWS-Lambda-Duration-ARM": [
            make(
                "AWS-Lambda-Duration-ARM",
                "Lambda-GB-Second-ARM",
                gb_s,
                ("7500000000", "0.0000120001"),  # brackets come in any order
                ("0", "0.0000133334"),
            ),
            make_product("AWS-Lambda-Duration-ARM", "Global-Lambda-GB-Second-ARM", gb_s, ("0", "0"), region=""),
        ],
        "AWS-Lambda-Duration": [make("AWS-Lambda-Duration", "Lambda-GB-Second", gb_s, ("0", "0.0000166667"))],
        "AWS-Lambda-Requests-ARM": [make("AWS-Lambda-Requests-ARM", "Request-ARM", "Requests", ("0", "0.0000002000"))],
        "S3-API-Tier1": [
            make("S3-API-Tier1", "Requests-Tier1", "Requests", ("0", "0.0000050000")),
            make("S3-API-Tier1", "Requests-XZ-Tier1", "Requests", ("0", "0.0000025000")),  # of another kind of bucket
        ],
        "S3-API-Tier2": [make("S3-API-Tier2", "Requests-Tier2", "Requests", ("0", "0.0000004000"))],
        "SFN-StateTransitions": [
            make(
                "SFN-StateTransitions",
                "USE1-StateTransition",
                "StateTransitions",
                ("0", "0.0"),
                ("4000", "0.0000250000"),
            )
        ],
    }


def answer_all(products: dict[str, list[str]]) -> Callable[[dict[str, Any]], Answer]:
    """Return what answers each question with the products of its group."""

    def answer(question: dict[str, Any]) -> Answer:
        wanted = {each["Field"]: each["Value"] for each in question["Filters"]}
        found = products.get(wanted["group"], [])
        return 200, {"FormatVersion": "aws_v1", "PriceList": found}

    return answer


@contextmanager
def serve(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve the API, and yield where, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(question | {"target": self.headers["X-Amz-Target"]})
            status, said = answer(question)
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
