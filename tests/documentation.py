"""The commands that the documentation shows, and what knows each of them."""

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import botocore.session
import click
from botocore import xform_name
from click.shell_completion import get_completion_class

from coordinator.cli import coordinator
from front_door.cli import make_front_door
from gpu_workers.cli import gpu_workers

ROOT = Path(__file__).parents[1]
PROGRAMS = {"coordinator": coordinator, "gpu_workers": gpu_workers}
GENERATED = "<!-- Made by "
"""What a page says that is made from code: its commands are those of the code."""

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "samples" / "teacher" / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if GENERATED not in page.read_text()),
    *sorted((ROOT / "docs").rglob("*.ipynb")),
]

_FENCE = re.compile(r"^```(\w*)\n.*?^```\n", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:python -m|python -c|mycelium|cdk|aws|make|pip|npm) [^`]+)`")
_NOT_A_COMMAND = re.compile(r"\{|\[TEMPLATE|\S+(?: \| \S+)* {3,}[^#\s]")
"""What else stands in an indented block: JSON, an example of a pair, the drawing of the layers, in columns."""


@dataclass(frozen=True)
class Shown:
    """A command line that a page shows; one within a sentence may leave out what it needs."""

    page: str
    words: tuple[str, ...]
    is_inline: bool

    def __str__(self) -> str:
        """Name it as it is typed."""
        return f"{self.page}: {' '.join(self.words)}"


def read_text(page: Path) -> str:
    """Return a page's text; of a notebook that of its cells of text."""
    if page.suffix != ".ipynb":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown") + "\n"


def find_commands() -> Iterator[Shown]:
    """Yield every command of every page: in indented blocks, in blocks of a shell, and within sentences."""
    for page in PAGES:
        text, name = read_text(page), str(page.relative_to(ROOT))
        plain = _FENCE.sub("", text)
        blocks = [line for line in plain.splitlines() if line.startswith("    ")]
        blocks += [line for block in _CONSOLE.findall(text) for line in block.splitlines()]
        for line in blocks:
            words = shlex.split(line.strip().removeprefix("$ "), comments=True) if not is_other(line.strip()) else []
            if words:
                yield Shown(name, tuple(words), is_inline=False)
        for command in _INLINE.findall(plain):
            yield Shown(name, tuple(shlex.split(" ".join(command.split()))), is_inline=True)


def is_other(line: str) -> bool:
    """Whether a line of an indented block is no command."""
    return bool(_NOT_A_COMMAND.match(line))


def check_command(shown: Shown) -> None:
    """Let what knows a command read it, and do nothing.

    Raises:
        AssertionError: nothing knows it, or what does says that it can't be typed.
    """
    first, *rest = shown.words
    if re.fullmatch(r"[A-Z_]+=\S+", first):
        return
    known = KNOWN.get(first)
    assert known is not None, f"nothing knows the command {first}"
    try:
        known(rest)
    except click.MissingParameter:
        assert shown.is_inline
    except click.ClickException as error:
        raise AssertionError(error.format_message()) from error


def _check_python(words: list[str]) -> None:
    if words[0] == "-c":
        compile(words[1], "documentation", "exec")
    elif words[1] in PROGRAMS:
        _parse(PROGRAMS[words[1]], words[2:])
    else:
        assert importlib.util.find_spec(words[1]) is not None, f"there is no module {words[1]}"


def _check_mycelium(words: list[str]) -> None:
    _parse(make_front_door(), words)


def _parse(command: click.Command, words: list[str]) -> None:
    context = None
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        context = click.Context(command, parent=context, **command.context_settings)
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    is_all = isinstance(command, click.Group) and not words
    if not is_all and words[:1] not in (["--help"], ["--version"]):
        command.make_context(command.name, list(words), parent=context)


def _check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for word in words:
        assert word in targets or re.fullmatch(r"[A-Z_]+=.*", word), f"there is no target {word}"


def _check_cdk(words: list[str]) -> None:
    assert words[0] in {"bootstrap", "deploy", "destroy", "diff", "synth"}


def _check_aws(words: list[str]) -> None:
    service, operation = words[:2]
    if service == "s3":
        assert operation in {"cp", "ls", "mb", "mv", "rm", "sync"}
        return
    names = botocore.session.get_session().get_service_model(service).operation_names
    assert operation in {xform_name(name, "-") for name in names}


def _check_pip(words: list[str]) -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert words[0] in {"install", "freeze", "wheel"}
    for asked in re.findall(r"\[([a-z,]+)\]", " ".join(words)):
        assert set(asked.split(",")) <= extras


def _check_source(words: list[str]) -> None:
    assert words == [".venv/bin/activate"]


def _check_export(words: list[str]) -> None:
    assert all(re.fullmatch(r"[A-Z_]+=\S+", word) for word in words)


def _check_npm(words: list[str]) -> None:
    assert words[:2] == ["install", "--global"]


def _check_eval(words: list[str]) -> None:
    shell = re.fullmatch(r"\$\(_MYCELIUM_COMPLETE=(\w+)_source mycelium\)", words[0])
    assert shell is not None
    assert get_completion_class(shell[1]) is not None


KNOWN: dict[str, Callable[[list[str]], None]] = {
    "python": _check_python,
    "mycelium": _check_mycelium,
    "make": _check_make,
    "cdk": _check_cdk,
    "aws": _check_aws,
    "pip": _check_pip,
    "npm": _check_npm,
    "eval": _check_eval,
    ".": _check_source,
    "export": _check_export,
}
