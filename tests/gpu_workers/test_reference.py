"""The generated page of the GPU machine's commands is what the code says today."""

from gpu_workers.cli import gpu_workers
from gpu_workers.reference import PAGE, describe_cli


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == describe_cli(), "run `python -m gpu_workers.reference`"


def test_every_command_is_described() -> None:
    page = describe_cli()
    for name in gpu_workers.commands:
        assert f"\n## {name}\n" in page
