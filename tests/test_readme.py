"""Every command that the documentation shows is a command; tests/test_commands.py runs them."""

import re

import pytest

from tests.documentation import PAGES, ROOT, Shown, check_command, find_commands, is_other, read_text

SHOWN = list(dict.fromkeys(find_commands()))


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_a_command_in_the_documentation_can_be_typed(shown: Shown) -> None:
    check_command(shown)


@pytest.mark.parametrize(
    "words",
    [
        "mycelum ingest x",
        "python -m coordinator run-stge heartbeat",
        "python -m coordinator run-stage heartbeat --treshold 0.4",
        "python -m coordinator status",
        "python -m benchmarks.no_such_benchmark",
        "make coffee",
        "aws sqs invent-queue",
        "pip install -e .[nobody]",
        "cdk conjure",
    ],
)
def test_what_can_not_be_typed_is_noticed(words: str) -> None:
    with pytest.raises(AssertionError):
        check_command(Shown("a page", tuple(words.split()), is_inline=False))


def test_commands_are_found_wherever_a_page_shows_them() -> None:
    assert len(SHOWN) > 100
    assert {shown.is_inline for shown in SHOWN} == {True, False}
    for page in ("README.md", "docs/tutorial.md", "docs/how-to/spot.md", "docs/notebooks/heartbeats.ipynb"):
        assert any(shown.page == page for shown in SHOWN)
    assert not is_other("python -m coordinator status heartbeats/sample")
    assert not is_other("mycelium run-stage heartbeat")
    assert not is_other("make check          # ruff, mypy, import contracts")
    assert is_other("front_door                the command `mycelium`: every place's commands")
    assert is_other("coordinator | gpu_workers     places of execution")


def test_the_front_door_is_two_make_targets_at_the_top() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert lines[2:4] == ["    make demo", "    make test"]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", read_text(page)):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_test_that_the_documentation_names_is_there() -> None:
    named = {match for page in PAGES for match in re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", read_text(page))}
    for path, name in named:
        assert (ROOT / path).exists(), path
        if name:
            assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"
    assert sum(bool(name) for _, name in named) > 30
