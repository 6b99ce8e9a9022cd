"""The generated pages: datasets, commands, errors and settings, from the code that they describe.

python -m coordinator.reference        # writes them below docs/; a test holds them current
"""

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from coordinator.cli import coordinator
from lambdas.stages import find_stage, stage_names
from mycelium import errors
from mycelium.command import describe_commands
from mycelium.datasets import (
    ATTENTION,
    CONNECTIVITY,
    DIVERGENCE,
    EMBEDDINGS,
    ENTROPY,
    IAF,
    PROBLEMS,
    RECEIVED,
    TOKENS,
)
from mycelium.schema import Dataset
from mycelium.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"
_MADE = "<!-- Made by `python -m coordinator.reference`; tested to be current. -->"


def describe_datasets() -> str:
    """Return the page of datasets, as Markdown."""
    written = {dataset.name: (dataset, f"stage `{name}`") for name, dataset in _written_by_stages()}
    makers = {
        PROBLEMS.name: (PROBLEMS, "`coordinator ingest`"),
        TOKENS.name: (TOKENS, "`gpu_workers extract`"),
        **written,
        EMBEDDINGS.name: (EMBEDDINGS, "`gpu_workers embed`, or by stage `embeddings` without a model"),
        ATTENTION.name: (ATTENTION, "`gpu_workers extract`"),
        **{
            dataset.name: (dataset, "`gpu_workers extract` and stage `iaf`")
            for dataset in (IAF, ENTROPY, CONNECTIVITY, DIVERGENCE, RECEIVED)
        },
    }
    parts = ["# Datasets", "", _MADE, ""]
    for dataset, maker in makers.values():
        parts += [
            f"## {dataset.name}",
            "",
            f"Version {dataset.version}, written by {maker}. A row is {dataset.meaning}.",
        ]
        if dataset.row_group_by:
            parts.append(f"Each {dataset.row_group_by} has a row group of its own.")
        parts += ["", "| column | type | what it holds |", "|---|---|---|"]
        for column in dataset.columns:
            may = "; may be missing" if column.nullable else ""
            parts.append(f"| `{column.name}` | {column.type} | {column.meaning}{may} |")
        if dataset.head_type is not None:
            parts.append(f"| `head_000`, `head_001`, … | {dataset.head_type} | the value of each head |")
        parts.append("")
    return "\n".join(parts)


def _written_by_stages() -> Iterator[tuple[str, Dataset]]:
    for name in stage_names():
        stage = find_stage(name)
        for dataset in (*stage.writes, *filter(None, [stage.gathers])):
            yield name, dataset


def describe_cli() -> str:
    """Return the page of commands, as Markdown."""
    return "\n".join(["# Commands", "", _MADE, "", *describe_commands(coordinator, "python -m coordinator")])


def describe_errors() -> str:
    """Return the page of errors, as Markdown: the tree, and what each means."""
    text, root, tree = inspect.cleandoc(errors.__doc__ or "").partition("    MyceliumError\n")
    parts = ["# Errors", "", _MADE, "", text.strip(), "", "```", textwrap.dedent(root + tree), "```", ""]
    parts += ["| error | what it means |", "|---|---|"]
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.MyceliumError):
            parts.append(f"| `{name}` | {_join(inspect.cleandoc(error.__doc__ or '').split('Attributes:')[0])} |")
    return "\n".join([*parts, ""])


def describe_settings() -> str:
    """Return the page of settings, as Markdown: what the environment may say."""
    doc = inspect.cleandoc(Settings.__doc__ or "")
    parts = ["# Settings", "", _MADE, ""]
    parts += [
        "The environment is read once. A command's option wins over it, and [cli.md](cli.md) lists those.",
        "What `cdk deploy` can be told is in [deploy.md](deploy.md#settings).",
        "",
        "| setting | what it is |",
        "|---|---|",
    ]
    for name, meaning in re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", doc, re.MULTILINE | re.DOTALL):
        parts.append(f"| `{name}` | {_join(meaning)} |")
    return "\n".join([*parts, ""])


def _join(text: str) -> str:
    """Return text in one line, as a cell of a table has it."""
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


PAGES = {
    "datasets.md": describe_datasets,
    "cli.md": describe_cli,
    "errors.md": describe_errors,
    "settings.md": describe_settings,
}
"""The pages, and what returns each."""


def main() -> None:
    """Write the pages."""
    for name, describe in PAGES.items():
        (DOCS / name).write_text(describe())


if __name__ == "__main__":
    main()
