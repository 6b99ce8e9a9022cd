"""The generated pages are what the code says today."""

from typing import get_args, get_type_hints

import pytest

from coordinator.reference import DOCS, describe_cli, describe_datasets, describe_events
from lambdas.stages import find_stage, stage_names
from mycelium.events import AnyEvent
from mycelium.logs import TaskLine

PAGES = [("datasets.md", describe_datasets), ("cli.md", describe_cli), ("events.md", describe_events)]


@pytest.mark.parametrize(("page", "describe"), PAGES)
def test_the_page_is_current(page: str, describe: object) -> None:
    assert callable(describe)
    assert (DOCS / page).read_text() == describe(), "run `python -m coordinator.reference`"


def test_every_dataset_and_stage_is_described() -> None:
    datasets, commands = describe_datasets(), describe_cli()
    for name in stage_names():
        assert f"## run-stage {name}" in commands
        for dataset in (*find_stage(name).reads, *find_stage(name).writes):
            assert f"## {dataset.name}\n" in datasets


def test_every_field_of_every_event_and_line_says_what_it_means() -> None:
    for kind in (*get_args(AnyEvent), TaskLine):
        for name, hint in get_type_hints(kind, include_extras=True).items():
            if not name.startswith("__"):
                assert f"| `{'_aws' if name == 'aws' else name}` | " in describe_events()
                assert all(meta.description for meta in hint.__metadata__), name
