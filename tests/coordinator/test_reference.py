"""The generated pages are what the code says today."""

from typing import get_args, get_type_hints

import pytest

from coordinator.reference import (
    DOCS,
    PAGES,
    describe_cli,
    describe_datasets,
    describe_errors,
    describe_events,
    describe_settings,
)
from lambdas.stages import find_stage, stage_names
from mycelium import errors, settings
from mycelium.events import AnyEvent
from mycelium.logs import TaskLine


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_current(page: str) -> None:
    assert (DOCS / page).read_text() == PAGES[page](), "run `python -m coordinator.reference`"


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


def test_every_error_and_variable_is_described() -> None:
    page = describe_errors()
    for name in vars(errors):
        if name.endswith("Error"):
            assert f"| `{name}` | " in page
    page = describe_settings()
    for name, variable in vars(settings).items():
        if name.endswith("_VARIABLE"):
            assert f"`{variable}`" in page
