"""The commands: plan, prices, --max-cost, and what a run cost when it is over."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from coordinator.cost.prices import LIST_PRICES, price_file, read_prices
from lambdas.stages.heartbeat import STAGE as HEARTBEATS
from mycelium.command import call_command
from mycelium.manifest import read_manifest, write_manifest
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf
from tests.coordinator.cost.price_list import answer_all, list_products, serve


class Cli:
    """Calls commands on one store, with a cache of its own."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self.capsys = LocalStore(store), capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = call_command(coordinator, "python -m coordinator", words)
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    made = Cli(tmp_path / "store", capsys)
    build_run(made.store, [make_iaf(seed=i) for i in range(4)])
    return made


def test_plan_is_run_stage_s_dry_run(cli: Cli) -> None:
    planned, dry = cli("plan", "heartbeat", "--head", "1"), cli("run-stage", "heartbeat", "--head", "1", "--dry-run")
    assert planned == dry
    assert planned[0] == 0
    assert "heartbeat never ran in this store; --probe 5 does five chunks and measures them" in planned[1]
    assert list(cli.store.list("heartbeats/")) == []


def test_after_a_probe_there_is_an_estimate_and_less_to_do(cli: Cli) -> None:
    code, out, _ = cli("plan", "heartbeat", "--probe", "2")
    assert code == 0
    assert "there already:  2" in out
    assert "a probe of 2 chunks on this machine, which are done now" in out
    code, out, _ = cli("run-stage", "heartbeat", "--max-workers", "1", "--quiet")
    assert (code, "(2 there before)" in out) == (0, True)


def test_json_has_the_interval_the_kinds_and_the_prices(cli: Cli) -> None:
    cli("run-stage", "heartbeat", "--max-workers", "1", "--quiet")
    told = json.loads(cli("plan", "heartbeat", "--min-run", "7", "--json")[1])
    here, there, machine = told["expected"]
    assert [one["executor"] for one in told["expected"]] == ["local", "lambda", "step-functions"]
    assert here["wall_s"]["low"] <= here["wall_s"]["likely"] <= here["wall_s"]["high"]
    assert here["usd"] == {"low": 0, "likely": 0, "high": 0}
    assert set(there["likely"]) == {"gb_s", "lambda_requests", "s3_gets", "s3_puts", "transitions"}
    assert machine["usd"]["likely"] > there["usd"]["likely"] > 0
    assert told["prices_of"] == "us-east-1, 2026-11, functions on arm64"
    assert (told["chunks"], told["to do"]) == (4, 4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "hartbeat"), "did you mean heartbeat?"),
        (("plan",), "Missing argument 'STAGE'"),
        (("plan", "heartbeat", "--nope"), "No such option"),
        (("plan", "heartbeat", "--probe", "0"), "--probe"),
        (("run-stage", "heartbeat", "--max-cost", "0"), "--max-cost"),
        (("run-stage", "heartbeat", "--max-cost", "much"), "--max-cost"),
        (("prices", "--region", "eu-west-1"), "give --refresh, too"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    code, out, err = cli(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_run_here_costs_nothing_and_no_limit_stops_it(cli: Cli) -> None:
    code, out, _ = cli("run-stage", "heartbeat", "--max-cost", "0.01", "--max-workers", "1", "--quiet", "--json")
    told = json.loads(out)
    assert (code, told["complete"], told["cost"]["usd"]) == (0, True, 0)


def test_retry_has_a_limit_as_well(cli: Cli) -> None:
    run = json.loads(cli("run-stage", "heartbeat", "--max-workers", "1", "--quiet", "--json")[1])["run"]
    assert cli("retry", run, "--max-cost", "1", "--max-workers", "1", "--quiet")[0] == 0
    assert "--max-cost" in cli("retry", run, "--max-cost", "0")[2]


def test_status_says_what_a_run_on_lambda_cost_by_kind(cli: Cli) -> None:
    run = json.loads(cli("run-stage", "heartbeat", "--max-workers", "1", "--quiet", "--json")[1])["run"]
    manifest = read_manifest(cli.store, "heartbeats", run)
    outcomes = tuple(replace(outcome, billed_ms=1000) for outcome in manifest.outcomes)
    write_manifest(cli.store, replace(manifest, executor="lambda", outcomes=outcomes), HEARTBEATS.writes)
    code, out, _ = cli("status", run)
    assert code == 0
    by_hand = 4 * 1769 / 1024 * 0.0000133334 + 4 * 0.0000002 + 4 * 0.0000004 + (4 + 2 + 1) * 0.000005
    assert (
        "cost: $0.00013 (functions' time $0.0000921, calls $0.0000008, GET $0.0000016, PUT and LIST $0.000035)" in out
    )
    assert "at the prices of us-east-1, 2026-11, functions on arm64" in out
    told = json.loads(cli("status", run, "--json")[1])["cost"]
    assert told["usd"] == pytest.approx(by_hand)
    assert told["prices_of"] == "us-east-1, 2026-11, functions on arm64"


def test_prices_are_asked_for_kept_and_used(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "US dollars, us-east-1, 2026-11; from aws.amazon.com/lambda/pricing" in cli("prices")[1]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with serve(answer_all(list_products("eu-central-1", "EUC1-"))) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        code, out, _ = cli("prices", "--refresh", "--region", "eu-central-1")
    assert code == 0
    assert str(price_file()) in out
    assert read_prices().region == "eu-central-1"
    assert json.loads(cli("prices", "--json")[1])["region"] == "eu-central-1"
    assert "prices of eu-central-1, " in cli("plan", "heartbeat")[1]


def test_a_refresh_that_fails_leaves_the_prices_as_they_were(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with serve(lambda _: (200, {"PriceList": ["{}"]})) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        code, _, err = cli("prices", "--refresh")
    assert (code, err.count("\n")) == (2, 1)
    assert "the prices in use stay" in err
    assert not price_file().exists()
    assert read_prices() == LIST_PRICES


def test_help_brings_in_no_client_of_aws() -> None:
    heavy = ("boto3", "botocore", "coordinator.cost.refresh", "coordinator.executors.choose")
    code = (
        "import sys\nfrom coordinator.cli import coordinator\n"
        "for words in (['--help'], ['plan', '--help'], ['prices', '--help'], ['prices']):\n"
        "    coordinator.main(words, standalone_mode=False)\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
