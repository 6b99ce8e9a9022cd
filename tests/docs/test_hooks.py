"""What the site takes from the tree: links, notebooks, the order of pages. `make docs` builds it with mkdocs itself."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load_hooks() -> Any:
    """Load the module as mkdocs does, by its path."""
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = load_hooks()


def page(path: str) -> SimpleNamespace:
    return SimpleNamespace(file=SimpleNamespace(src_uri=path))


@pytest.mark.parametrize(
    ("where", "link", "led"),
    [
        ("index.md", "docs/fleet.md#merge", "fleet.md#merge"),
        ("index.md", "CONTRIBUTING.md", "contributing.md"),
        ("index.md", "docs/adr", "adr/index.md"),
        ("index.md", "docs/how-to", "how-to/index.md"),
        ("index.md", "samples/teacher/README.md", "sample-teacher.md"),
        ("adr/0001-what-a-beat-is.md", "../step-counts.md", "../step-counts.md"),
        ("tutorial.md", "notebooks/heartbeats.ipynb", "notebooks/heartbeats.md"),
        ("notebooks/heartbeats.md", "../datasets.md", "../datasets.md"),
        ("how-to/spot.md", "../deploy.md#the-gpu-side", "../deploy.md#the-gpu-side"),
        ("fleet.md", "https://example.org/docs/a.md", "https://example.org/docs/a.md"),
        ("deploy.md", "#rights", "#rights"),
        ("fleet.md", "nowhere.md", "nowhere.md"),  # mkdocs refuses it
    ],
)
def test_links_between_files_become_links_between_pages(where: str, link: str, led: str) -> None:
    assert hooks.on_page_markdown(f"see [this]({link}).", page=page(where)) == f"see [this]({led})."


def test_a_notebook_becomes_its_text_its_cells_and_what_they_showed() -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["<b>\n"]},
        {"output_type": "execute_result", "data": {"text/plain": ["x"], "text/html": ["<style>a</style><p>\n\n</p>"]}},
        {"output_type": "display_data", "data": {"text/plain": ["chart"], "image/svg+xml": ["<svg/>"]}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["1 + 1"], "outputs": outputs},
    ]
    assert hooks.show_notebook({"cells": cells}).split("\n\n") == [
        "# Title\ntext",
        "```python\n1 + 1\n```",
        "<pre>&lt;b&gt;\n</pre>",
        '<div class="shown">\n<p>\n</p>\n</div>',
        '<div class="shown"><svg/></div>\n',
    ]


def order(nav: list[Any]) -> list[Any]:
    config = SimpleNamespace(nav=nav)
    found: list[Any] = hooks.on_config(config).nav
    return found


def test_pages_stand_where_nav_says_and_those_it_forgot_at_the_end() -> None:
    nav = order([{"Home": "index.md"}, {"Decisions": ["adr/index.md", "adr/*.md"]}])
    assert nav[0] == {"Home": "index.md"}
    decisions = sorted(path.name for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert nav[1] == {"Decisions": ["adr/index.md", *(f"adr/{name}" for name in decisions)]}
    assert {"fleet.md", "notebooks/heartbeats.md", "contributing.md"} <= set(nav[2]["More"])
    assert "index.md" not in nav[2]["More"]


def test_a_page_that_is_not_there_stays_in_nav_where_mkdocs_refuses_it() -> None:
    nav = order([{"A": ["a-slip-of-the-pen.md", "fleet.md"]}, {"B": "cost.md"}])
    assert nav[:2] == [{"A": ["a-slip-of-the-pen.md", "fleet.md"]}, {"B": "cost.md"}]


@pytest.mark.parametrize("folder", hooks.FOLDERS)
def test_the_list_of_a_folder_has_each_of_its_pages(folder: str) -> None:
    text = hooks.list_pages(folder)
    for path in (ROOT / "docs" / folder).glob("*.md"):
        assert f"]({path.name})" in text
