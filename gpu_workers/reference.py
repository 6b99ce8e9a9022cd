"""The generated page of the GPU machine's commands, from the code that it describes.

python -m gpu_workers.reference        # writes docs/gpu-cli.md; a test holds it current
"""

from pathlib import Path

from gpu_workers.cli import gpu_workers
from mycelium.command import describe_commands

PAGE = Path(__file__).parent.parent / "docs" / "gpu-cli.md"


def describe_cli() -> str:
    """Return the page, as Markdown."""
    made = "<!-- Made by `python -m gpu_workers.reference`; tested to be current. -->"
    commands = describe_commands(gpu_workers, "python -m gpu_workers")
    return "\n".join(["# Commands of a GPU machine", "", made, "", *commands])


def main() -> None:
    """Write the page."""
    PAGE.write_text(describe_cli())


if __name__ == "__main__":
    main()
