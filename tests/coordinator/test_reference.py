"""The generated pages are what the code says today."""

import pytest

from coordinator.reference import DOCS, PAGES, describe_cli, describe_datasets, describe_errors, describe_settings
from lambdas.stages import find_stage, stage_names
from mycelium import errors, settings


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_current(page: str) -> None:
    assert (DOCS / page).read_text() == PAGES[page](), "run `python -m coordinator.reference`"


def test_every_dataset_and_stage_is_described() -> None:
    datasets, commands = describe_datasets(), describe_cli()
    for name in stage_names():
        assert f"## run-stage {name}" in commands
        for dataset in (*find_stage(name).reads, *find_stage(name).writes):
            assert f"## {dataset.name}\n" in datasets


def test_every_error_and_variable_is_described() -> None:
    page = describe_errors()
    for name in vars(errors):
        if name.endswith("Error"):
            assert f"| `{name}` | " in page
    page = describe_settings()
    for name, variable in vars(settings).items():
        if name.endswith("_VARIABLE"):
            assert f"`{variable}`" in page
