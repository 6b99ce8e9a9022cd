"""The table of prices: of a region and a date, kept where the user's caches are, and never read half or wrong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cost.prices import KINDS, LIST_PRICES, check_prices, price_file, read_prices, write_prices
from coordinator.cost.usage import Cost, Usage
from mycelium.errors import UserInputError

ELSEWHERE = replace(LIST_PRICES, region="eu-west-1", date="2027-01-31", source="the test", s3_get=0.00000044)


def test_the_table_that_comes_with_the_code_is_whole_and_says_where_and_when() -> None:
    assert check_prices(LIST_PRICES) is LIST_PRICES
    assert LIST_PRICES.of == "us-east-1, 2026-11, functions on arm64"
    assert len(KINDS) == 6
    assert LIST_PRICES.lambda_x86_64_gb_s / LIST_PRICES.lambda_arm64_gb_s == pytest.approx(1.25, abs=1e-4)


def test_the_documentation_s_table_is_this_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cost.md").read_text()
    rows = [line for line in page.splitlines() if (line.startswith("|") and "pricing" in line) or "the same |" in line]
    told = [float(line.split("|")[2].split()[0]) for line in rows]
    assert told == pytest.approx(
        [
            LIST_PRICES.lambda_arm64_gb_s,
            LIST_PRICES.lambda_x86_64_gb_s,
            LIST_PRICES.lambda_request,
            LIST_PRICES.s3_put,
            LIST_PRICES.s3_get,
            LIST_PRICES.transition,
        ]
    )


def test_a_table_that_was_kept_is_used_and_without_one_that_of_the_code(tmp_path: Path) -> None:
    assert read_prices(tmp_path / "nowhere") == LIST_PRICES
    assert write_prices(ELSEWHERE, tmp_path / "cache") == price_file(tmp_path / "cache")
    assert read_prices(tmp_path / "cache") == ELSEWHERE
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["prices.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"region": "x"}',
        "\xff",
        LIST_PRICES.of,
        '{"more": ' + "[" * 5000,
        msgspec.json.encode(replace(LIST_PRICES, transition=25.0)).decode(),
        msgspec.json.encode(LIST_PRICES).decode().replace("0.000025", '"free"'),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_line_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    price_file(tmp_path).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserInputError, match="prices --refresh") as caught:
        read_prices(tmp_path)
    assert "\n" not in str(caught.value)


@given(st.sampled_from(KINDS), st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(float("nan"))))
def test_no_price_is_zero_negative_infinite_or_above_a_dollar(kind: str, price: float) -> None:
    with pytest.raises(ValueError, match=f"a price of {kind}"):
        check_prices(replace(LIST_PRICES, **{kind: price}))  # type: ignore[arg-type] # the name is drawn


def test_a_folder_that_can_t_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserInputError, match="XDG_CACHE_HOME"):
        write_prices(LIST_PRICES, tmp_path / "file")


def test_prices_bring_in_no_client_of_aws_and_no_arrays() -> None:
    heavy = ("boto3", "botocore", "pyarrow", "coordinator.executors.choose")
    code = f"import sys, coordinator.cost.prices; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_functions_on_the_other_processor_cost_what_the_table_says() -> None:
    there = LIST_PRICES.on("x86_64")
    assert (there.gb_s, LIST_PRICES.gb_s) == (LIST_PRICES.lambda_x86_64_gb_s, LIST_PRICES.lambda_arm64_gb_s)
    assert there.of == "us-east-1, 2026-11, functions on x86_64"
    assert Cost(Usage(gb_s=1000), there).usd == pytest.approx(0.0166667)
