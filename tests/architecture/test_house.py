"""The house's own rules, as tests that fail."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("front_door", "mycelium", "lambdas", "gpu_workers", "coordinator", "infra", "samples")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "core", "manager", "misc"}


def modules() -> Iterator[Path]:
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def test_who_may_import_whom() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_a_name_a_bound_and_short_functions(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and "cli" not in path.name:
            doc = ast.get_docstring(node, clean=False) or ""
            length = (node.end_lineno or 0) - node.lineno + 1 - len(doc.splitlines())
            assert length <= 60, f"{node.name} has {length} lines"


def test_the_environment_is_read_in_one_place() -> None:
    readers = {path.relative_to(ROOT) for path in modules() if "os.environ" in path.read_text()}
    assert readers == {Path("mycelium/settings.py")}


NAMES_MODULES = re.compile(r"python -m (coordinator|gpu_workers)")


def list_texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings."""
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in alone:
            yield node.value


def test_a_hint_names_a_command_as_it_was_typed() -> None:
    """`python -m coordinator` in a text is wrong for whoever typed `mycelium`; `mycelium.hint` knows which it is."""
    found = set()
    for path in modules():
        written = path.read_text()
        # The pages of reference.py are of the modules, whoever has them made.
        if NAMES_MODULES.search(written) and path.name != "reference.py":
            texts = list_texts(ast.parse(written))
            found |= {(path.relative_to(ROOT).as_posix(), text) for text in texts if NAMES_MODULES.search(text)}
    # Whoever starts a program tells it what it is called.
    assert found == {("coordinator/cli.py", "python -m coordinator"), ("gpu_workers/cli.py", "python -m gpu_workers")}


def test_every_module_is_tested_by_its_mirror() -> None:
    missing = []
    for path in modules():
        relative = path.relative_to(ROOT)
        if path.name.startswith("__") or relative in UNMIRRORED:
            continue
        if not (ROOT / "tests" / relative.parent / f"test_{path.stem}.py").exists():
            missing.append(str(relative))
    assert missing == []


UNMIRRORED = {
    Path(name): why
    for name, why in {
        "mycelium/stage.py": "data only; tests/lambdas/stages/test_init.py checks every instance",
        "mycelium/deployment.py": "names only",
        "mycelium/store/base.py": "tests/mycelium/test_store.py is one suite for the whole package",
        "mycelium/store/local.py": "as above",
        "mycelium/store/memory.py": "as above",
        "mycelium/store/s3.py": "as above",
        "mycelium/store/pages.py": "as above",
        "mycelium/labels/names.py": "tests/mycelium/labels/rules.py has a line for each rule of the grammar",
        "mycelium/labels/operands.py": "as above",
        "mycelium/labels/suffixes.py": "as above",
        "coordinator/fleet/tell.py": "tested through the command line",
        "coordinator/ingest/tell.py": "as above",
        "coordinator/merge/tell.py": "as above",
        "gpu_workers/spool/cli.py": "tests/gpu_workers/test_cli.py types its command",
        "gpu_workers/options.py": "tested through the command line",
        "coordinator/pairs/tell.py": "as above",
        "coordinator/pipeline/tell.py": "as above",
        "coordinator/stages/tell.py": "as above",
        "coordinator/storekeeping/tell.py": "as above",
        "coordinator/report/charts.py": "tested through the page, in a browser",
        **{
            f"coordinator/report/sections/{name}.py": "as above"
            for name in ("clocks", "heartbeats", "labels", "pairs", "templates", "times")
        },
    }.items()
}
