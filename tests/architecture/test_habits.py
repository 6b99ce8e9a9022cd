"""What people and machines do at each change: every hook, workflow, form and drawing does or says what is so."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = {
    line.removeprefix("Programming Language :: Python :: ")
    for line in PROJECT["project"]["classifiers"]
    if line.startswith("Programming Language :: Python :: ")
}

PINNED = re.compile(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
"""An action by the digest of its commit, which nobody can move, and the release that it is."""


def read(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict)
    return found


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield f"{path.name}: {name}", job


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize(("name", "job"), list(jobs()))
def test_a_workflow_types_what_a_person_types(name: str, job: dict[str, Any]) -> None:
    typed = [step["run"] for step in job["steps"] if "run" in step]
    assert typed, name
    for line in typed:
        make, target = shlex.split(line)
        assert make == "make"
        assert target in targets()
    assert job["timeout-minutes"] <= 60


def test_the_workflows_do_all_that_a_landing_asks_for() -> None:
    asked = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    done = {step["run"].removeprefix("make ") for _, job in jobs() for step in job["steps"] if "run" in step}
    assert asked == {"check", "docs", "test", "demo"}
    assert asked <= done


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_do_nothing_but_read(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in workflow[True]  # YAML reads the word `on` as true
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            if str(step.get("uses")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    uses = [line.strip() for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.search(line)] == []
    assert "secrets." not in path.read_text()


def test_the_tests_run_on_every_python_that_the_package_names() -> None:
    matrix = read(GITHUB / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert set(matrix) == PYTHONS == {"3.11", "3.12", "3.13"}
    assert PROJECT["project"]["requires-python"] == f">={min(PYTHONS)}"


def hooks() -> list[dict[str, Any]]:
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    found: list[dict[str, Any]] = repository["hooks"]
    return found


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hook_s_command_is_there_and_passes(hook: dict[str, Any]) -> None:
    assert hook["language"] == "system"
    words = shlex.split(hook["entry"])
    if words[0] == "make":
        assert words[1] in targets()  # what it does is done by the other hooks, and by CI
        return
    if not (ROOT / words[0]).exists() and words[0].startswith(".venv/"):
        pytest.skip("this environment is not the one that make has made")
    if words[0] == "git" and not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    answer = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_pre_commit_reads_its_configuration() -> None:
    configuration = pytest.importorskip("pre_commit.clientlib")
    assert configuration.load_config(ROOT / ".pre-commit-config.yaml")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_each_question_once(path: Path) -> None:
    form = read(path)
    assert form["name"]
    assert form["description"]
    asked = [element for element in form["body"] if element["type"] != "markdown"]
    assert {element["type"] for element in asked} <= {"textarea", "input", "dropdown"}
    ids = [element["id"] for element in asked]
    assert len(ids) == len(set(ids)) > 0
    for element in asked:
        assert element["attributes"]["label"]
        assert "options" in element["attributes"] or element["type"] != "dropdown"
    named = re.findall(r"\b(?:docs/)?[\w-]+\.md\b", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_pull_request_is_asked_for_targets_that_are_there() -> None:
    text = (GITHUB / "pull_request_template.md").read_text()
    asked = set(re.findall(r"`make ([a-z-]+)`", text))
    assert {"check", "test"} <= asked <= targets()
    assert (ROOT / "docs" / "adr").is_dir()


def test_what_is_used_of_the_cdk_is_typed() -> None:
    read = {
        name
        for override in PROJECT["tool"]["mypy"]["overrides"]
        for name in override["module"]
        if override.get("follow_imports") == "normal"
    }
    files = [path for room in ("infra", "tests", "benchmarks") for path in (ROOT / room).rglob("*.py")]
    used = {
        name for path in files for name in re.findall(r"^from aws_cdk import (\w+)", path.read_text(), re.MULTILINE)
    }
    assert read == {"aws_cdk", *(f"aws_cdk.{name}" for name in used)}


def drawn(page: Path) -> list[str]:
    """Return the layers of a drawing of the house, from the top: what stands left of three blanks."""
    return re.findall(r"^ {4,}((?:[a-z_]+ \| )*[a-z_]+) {3,}\S", page.read_text(), re.MULTILINE)


def test_the_picture_of_the_house_is_the_contract() -> None:
    house, *_ = PROJECT["tool"]["importlinter"]["contracts"]
    assert house["name"].startswith("house:")
    assert drawn(ROOT / "CONTRIBUTING.md") == house["layers"]


def test_release_notes_are_a_section_of_the_changelog() -> None:
    def ask(version: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--silent", "release-notes", f"VERSION={version}"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    notes = ask("Unreleased")
    assert notes.returncode == 0
    assert notes.stdout.strip()
    assert notes.stdout.strip() in (ROOT / "CHANGELOG.md").read_text()
    assert "## [" not in notes.stdout
    missing = ask("0.0.7")
    assert (missing.returncode, missing.stdout.strip()) == (2, "CHANGELOG.md has no section [0.0.7]")
