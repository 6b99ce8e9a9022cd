"""The report: what it says, and in a real browser, that it draws."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from coordinator.executors.local import LocalExecutor
from coordinator.report.page import render_page, write_report
from coordinator.report.section import POLICY
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.datasets import IAF, TOKENS
from mycelium.errors import UserInputError
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Dataset, Provenance, Row, chunk_key, encode_chunk
from mycelium.store import LocalStore
from tests.builders import GSM8K, make_header, make_iaf
from tests.coordinator.report.relatives import EVIL, write_all, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


def make_tokens(iaf: pa.Table) -> pa.Table:
    """Make the `tokens` that go with a table of `iaf`, one token of each problem hostile."""
    rows = []
    ids = list(dict.fromkeys(iaf["problem_id"].to_pylist()))
    for problem_id in ids:
        mine = iaf.filter(np.asarray(iaf["problem_id"]) == problem_id)
        n = mine.num_rows // 2
        texts = [f"w{i}" for i in range(n)]
        texts[0] = EVIL
        rows.append(
            {
                "problem_id": problem_id,
                "level": mine["level"][0].as_py(),
                "n_input": 3,
                "n_generated": n,
                "tokens": texts,
            }
        )
    schema = TOKENS.arrow_schema()
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


def make_run(store: LocalStore, *, fail: bool = False) -> Manifest:
    """Write two chunks of tokens and signals, and count their heartbeats."""
    outcomes = []
    for i in range(2):
        iaf = make_iaf((60, 40, 30, 50, 20), seed=i)
        refs = []
        for dataset, table in ((TOKENS, make_tokens(iaf)), (IAF, iaf)):
            chunk_id = f"{i:05d}"
            data = encode_chunk(dataset, table, make_header(dataset, chunk_id))
            key = chunk_key(dataset, "gsm8k-aaaaaaaaaaaa", chunk_id)
            store.put(key, data)
            refs.append(ObjectRef(dataset.name, key, len(data), digest(data)))
        outcomes.append(Outcome(chunk_id, "done", tuple(refs), n_problems=5))
    source = Manifest(
        "gsm8k-aaaaaaaaaaaa", GSM8K, "extract", 1, {}, "test", "test", (), 1.0, 0.0, True, 2, tuple(outcomes)
    )
    write_manifest(store, source, (TOKENS, IAF))
    if fail:
        store.put(source.chunks("iaf")["00001"].key, b"<b>torn</b>", mode="overwrite")
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    return run_plan(store, plan, LocalExecutor(1), quiet=True)


def figures_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    figures: dict[str, Any] = json.loads(found[1])
    return figures


def write(tmp_path: Path, problem: str | None = None, *, fail: bool = False) -> str:
    store = LocalStore(tmp_path / "store")
    manifest = make_run(store, fail=fail)
    write_report(store, manifest, tmp_path / "report.html", problem)
    return (tmp_path / "report.html").read_text()


def test_the_page_asks_nothing_of_the_network_and_is_small(tmp_path: Path) -> None:
    page = write(tmp_path)
    assert not re.search(r'(src|href)\s*=\s*"?(https?:)?//', page)
    assert len(page) < 5_000_000


def test_the_page_holds_the_run_s_numbers(tmp_path: Path) -> None:
    page = write(tmp_path)
    for word in (
        "gsm8k: heartbeat gsm8k-",
        "teacher@0123456789ab",
        "Computing head",
        "3.80",
        "14.80",
        "00000",
        "00001",
    ):
        assert word in page
    bars = figures_of(page)["levels"]
    assert "ours" in json.dumps(bars)
    assert "the paper" in json.dumps(bars)


def test_a_trace_of_every_level_or_of_the_problem_asked_for(tmp_path: Path) -> None:
    text = json.dumps(figures_of(write(tmp_path))["trace"])
    for name in ("level 1: p0-0", "level 2: p0-1", "level 3: p0-3", "level 5: p0-4"):
        assert name in text
    (tmp_path / "one").mkdir()
    text = json.dumps(figures_of(write(tmp_path / "one", "p1-3"))["trace"])
    assert "p1-3" in text
    assert "p0-0" not in text


def test_a_problem_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no problem 'zzz' in iaf/gsm8k-aaaaaaaaaaaa"):
        write(tmp_path, "zzz")


def test_a_failed_chunk_stands_first_with_its_error(tmp_path: Path) -> None:
    page = write(tmp_path, fail=True)
    chunks = page[page.index("Chunks; seconds") :]
    assert chunks.index('<td class="text failed">failed</td>') < chunks.index('<td class="text">done</td>')
    assert "has 11 bytes, and the manifest says" in page
    assert "not complete" in page


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    page = write(tmp_path)
    assert EVIL not in page
    assert page.count("<script") == 3
    assert "document.body.dataset.evil" in json.dumps(figures_of(page)["trace"])


class Elements(HTMLParser):
    """What a browser would make of a page: its elements, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    "attack",
    [
        "</script><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)' x='",
        '" autofocus onfocus="alert(1)',
        "<!--<script>",
        "</title></style></svg><iframe src=javascript:alert(1)>",
        "javascript:alert(1)",
        "{{ 7 * 7 }}{% raw %}",
    ],
)
def test_no_text_becomes_an_element_an_attribute_or_a_link(tmp_path: Path, attack: str) -> None:
    store = LocalStore(tmp_path / "store")
    write_all(store)
    label: Row = {"label": attack, "count": 3}
    manifest = replace(
        write_run(store, "labels", digit=1),
        provenance=Provenance(attack, attack, attack),
        commit=attack,
        notes={"stopped": attack},
        result={"labels": [label], "roots": [label], "refusals": [{"reason": attack, "count": 1}]},
    )
    write_manifest(store, manifest, (Dataset("labels", 1, "a row", ()),))
    page = render_page(store, manifest)
    elements = Elements(page).found
    names = [tag for tag, _ in elements]
    assert names.count("script") == 3
    assert not {"img", "iframe", "object", "embed", "form", "base", "link"} & set(names)
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
        assert "src" not in attributes
    assert attack in json.dumps(figures_of(page), ensure_ascii=False).replace('\\"', '"')
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}) in elements


def test_signals_that_are_gone_leave_a_page_without_a_trace(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    manifest = make_run(store)
    store.delete("manifests/iaf/gsm8k-aaaaaaaaaaaa.json")
    write_report(store, manifest, tmp_path / "report.html")
    assert "the signals this run read are not in the store" in (tmp_path / "report.html").read_text()


def test_every_stage_has_its_figure_and_every_figure_its_numbers(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    page = render_page(store, write_all(store))
    figures = figures_of(page)
    assert list(figures) == [
        "clocks",
        "labels",
        "roots",
        "curve",
        "gains",
        "templates",
        "c2",
        "together",
        "c3",
        "times",
    ]
    for name in figures:
        figure = page.index(f'<div class="figure" id="{name}" role="img" aria-label="')
        table = page.index(f'<table id="table-{name}-1">')
        assert figure < table
        assert page[figure:table].count("<details>") == 1
    assert EVIL not in page
    assert "the paper&#39;s heartbeats" not in page  # no heartbeats here, so nothing to hold them against
    for word in ("unclosed", "no_step", "repeated", "templates were chosen", "tried again"):
        assert word in page


def test_a_page_that_is_served_asks_again_and_says_what_is_under_way(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    manifest = write_all(store)
    assert 'http-equiv="refresh"' not in render_page(store, manifest)
    store.put("steps/gsm8k-ffffffffffff/00000.parquet", b"x")
    page = render_page(store, manifest, refresh_s=5)
    assert '<meta http-equiv="refresh" content="5">' in page
    assert "steps/gsm8k-ffffffffffff has written 1 chunks" in page


def test_no_place_to_write_is_one_line(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    manifest = make_run(store)
    with pytest.raises(UserInputError, match="can't be written"):
        write_report(store, manifest, tmp_path / "no" / "such" / "folder.html")


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page of a real browser, which refuses every request that is not for a file."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        opened = browser.new_page(viewport={"width": 1100, "height": 1400})
        opened.set_default_timeout(180_000)
        opened.route(re.compile("^(?!file:)"), lambda route: route.abort())
        yield opened
        browser.close()


@pytest.mark.browser
def test_in_a_browser_it_draws_shades_and_tells_tokens(tmp_path: Path, page: Any) -> None:
    write(tmp_path)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_function("document.body.dataset.drawn || document.body.dataset.error")
    assert page.evaluate("document.body.dataset.error") is None
    assert page.evaluate("document.body.dataset.drawn") == "4"  # levels, traces, clocks and times
    bars = page.locator("#levels svg path[aria-roledescription='bar']")
    assert bars.count() == 9  # levels 1, 2, 3 and 5 of ours and of the paper's, and ours of no level
    shades = page.locator("#trace svg path[aria-roledescription='rect mark']")
    assert shades.count() >= 1
    dots = page.locator("#trace svg path[aria-roledescription='circle']")
    assert dots.count() == 60
    dots.nth(7).hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "w7" in page.inner_text("#vg-tooltip-element")
    dots.nth(0).hover(force=True)
    page.wait_for_function("document.querySelector('#vg-tooltip-element').innerText.includes('script')")
    page.select_option("#trace select", index=1)
    page.wait_for_function(
        "document.querySelectorAll(\"#trace svg path[aria-roledescription='circle']\").length === 40"
    )
    page.click("text=The numbers >> nth=-1")
    chunks = page.locator("#table-times-2 tbody tr")
    assert chunks.count() == 4  # two of each stage
    page.get_by_label("Only rows that contain").last.fill("heartbeat")
    assert chunks.locator("visible=true").count() == 2
    assert page.evaluate("document.body.dataset.evil") is None
    assert complaints == []


@pytest.mark.browser
def test_in_a_browser_all_stages_are_drawn_and_nothing_complains(tmp_path: Path, page: Any) -> None:
    store = LocalStore(tmp_path / "store")
    write_report(store, write_all(store), tmp_path / "report.html")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_function("document.body.dataset.drawn || document.body.dataset.error")
    assert page.evaluate("document.body.dataset.error") is None
    assert page.evaluate("document.body.dataset.drawn") == "10"
    assert page.locator(".graph rect").count() == 8
    # By keyboard alone: every heading can be reached from the top, every figure and table can be scrolled.
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#section-clocks"
    assert page.evaluate("document.body.dataset.evil") is None
    assert complaints == []


@pytest.mark.browser
def test_in_a_dark_room_it_is_dark(tmp_path: Path, page: Any) -> None:
    write(tmp_path)
    page.emulate_media(color_scheme="dark")
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_function("document.body.dataset.drawn")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 22)"
    assert page.evaluate("getComputedStyle(document.querySelector('#levels svg text')).fill") == "rgb(232, 232, 232)"
