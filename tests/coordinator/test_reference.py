"""The generated pages are what the code says today."""

import pytest

from coordinator.reference import DOCS, describe_cli, describe_datasets
from lambdas.stages import find_stage, stage_names


@pytest.mark.parametrize(("page", "describe"), [("datasets.md", describe_datasets), ("cli.md", describe_cli)])
def test_the_page_is_current(page: str, describe: object) -> None:
    assert callable(describe)
    assert (DOCS / page).read_text() == describe(), "run `python -m coordinator.reference`"


def test_every_dataset_and_stage_is_described() -> None:
    datasets, commands = describe_datasets(), describe_cli()
    for name in stage_names():
        assert f"## run-stage {name}" in commands
        for dataset in (*find_stage(name).reads, *find_stage(name).writes):
            assert f"## {dataset.name}\n" in datasets
