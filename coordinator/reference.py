"""The generated pages: datasets, commands, events and logs, errors and settings, from the code that they describe.

python -m coordinator.reference        # writes them below docs/; a test holds them current
"""

import inspect
import re
import textwrap
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from coordinator.cli import coordinator
from coordinator.executors.retry import RETRY_TABLE, Kind
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
from mycelium.events import AnyEvent, Event
from mycelium.failures import BREAKER
from mycelium.logs import DIMENSIONS, FAILURE_DIMENSIONS, FAILURES, METRICS, NAMESPACE, OTHER_FAILURE, TaskLine
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
    return "\n".join([*parts, "", *_describe_retries(), ""])


_FAILURES = f"""\
## A chunk that fails

A chunk that fails is named in the manifest by its error's class, and the others go on. On this machine nothing is tried
twice but a chunk whose worker process died: it runs once more, alone, and is `WorkerDied` if that process dies, too. In
the cloud what can heal is tried again, each wait drawn at random below a bound that doubles:

| failure | tries | waits at most, s | why |
|---|--:|--:|---|
{{rows}}

Then the chunk has failed. `StoreNotAvailable` and `Refused` end the run, since no other chunk would fare better; so do
more failures than `--max-failures` bears, and, whatever it bears, the first {BREAKER} chunks that end if all of them
have failed alike. Nothing that was done is lost by that. `status RUN` has a line for each class of error, the commonest
first, with how many chunks it took and the command that does one of them here, under a debugger (`run-task`); `retry
RUN` does what failed, and no other chunk."""


def _describe_retries() -> list[str]:
    """Return what is tried again, as Markdown: the table that the executors go by."""
    rows = []
    for kind, rule in RETRY_TABLE.items():
        name = "the stage's own error" if kind is Kind.STAGE else f"`{kind.value}`"
        first_s, longest_s = rule.base_s, min(rule.cap_s, rule.base_s * 2.0 ** max(rule.tries - 2, 0))
        waits = "–" if rule.tries == 1 or not longest_s else f"{first_s:g} to {longest_s:g}"
        rows.append(f"| {name} | {rule.tries} | {waits} | {_join(rule.why)} |")
    return _FAILURES.format(rows="\n".join(rows)).split("\n")


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


_EVENTS = """\
`run-stage`, `run-pipeline`, `retry` and `extract` tell what happens to whoever gives `--events FILE`: one JSON object a
line, as it happens, added to the file's end. `--events -` is standard output, which then holds nothing else. A reader
that goes away (`| head -1`) and a disk that is full end the stream and not the run; a reader that is slow holds the run
up. `kill -9` ends it without a `run-finished`. Units are in the names. New fields and new kinds of event may come: skip
what you don't know.

```
python -m coordinator run-stage heartbeat --quiet --events - | jq -r 'select(.event == "chunk-failed") | .error_kind'
python -m coordinator run-pipeline --to labels --events run.jsonl
jq -s 'map(select(.event == "chunk-done") | .bytes_read) | add' run.jsonl
```

Every run of the command tells `run-started`, `run-planned`, then its rounds and chunks, and `run-finished`. The runs of
a pipeline go on side by side, and so do their events: `run_id` tells them apart. Every event has these fields:
"""

_LOGS = """\
A function logs one JSON object a line for each task; `python -m coordinator logs RUN` shows them. Their `trace_id` is
that of the command's events and of its manifest. No text is logged, neither a problem's nor an error's.
"""

_METRICS = """\
CloudWatch counts what the lines say (embedded metric format) in the namespace `{namespace}`: {metrics}, by
`{dimensions}`; and `failures` once more by `{failure_dimensions}`, where `failure` is one of {n_failures} names of
errors or `{other}`. Run, chunk and trace id are no dimensions: [deploy.md](deploy.md#what-it-costs) says what a metric
costs.
"""


def describe_events() -> str:
    """Return the page of events and logs, as Markdown."""
    common = {field.name for field in msgspec.structs.fields(Event)}
    parts = ["# Events and logs", "", _MADE, "", "## Events", "", _EVENTS, *_describe_fields(Event), ""]
    for kind in get_args(AnyEvent):
        config = kind.__struct_config__
        parts += [f"### {config.tag}", "", str(kind.__doc__), "", *_describe_fields(kind, without=common), ""]
    metrics = _METRICS.format(
        namespace=NAMESPACE,
        metrics=", ".join(f"`{name}` ({unit})" for name, unit in METRICS.items()),
        dimensions="` and `".join(DIMENSIONS),
        failure_dimensions="`, `".join(FAILURE_DIMENSIONS),
        n_failures=len(FAILURES),
        other=OTHER_FAILURE,
    )
    return "\n".join([*parts, "## Logs", "", _LOGS, *_describe_fields(TaskLine), "", metrics])


def _describe_fields(kind: type[msgspec.Struct], without: Container[str] = ()) -> Iterator[str]:
    yield from ("| field | type | what it says |", "|---|---|---|")
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        if field.name in without:
            continue
        hint = hints[field.name]
        yield f"| `{field.encode_name}` | {_describe_type(hint)} | {_describe_meaning(hint)} |"


def _describe_meaning(hint: Any) -> str:  # noqa: ANN401 - a type as the interpreter holds it
    return next((str(meta.description) for meta in hint.__metadata__ if meta.description), "")


def _describe_type(hint: Any) -> str:  # noqa: ANN401 - as above
    if get_origin(hint) is Annotated:
        return _describe_type(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_args(hint):
        return " or ".join(_describe_type(part) for part in get_args(hint))
    names = {str: "text", int: "whole number", float: "number", bool: "yes or no", type(None): "null"}
    return "absent" if hint is msgspec.UnsetType else names.get(hint, "object")


PAGES = {
    "datasets.md": describe_datasets,
    "cli.md": describe_cli,
    "events.md": describe_events,
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
