"""Execute a notebook of the documentation.

python -m tests.notebooks              # renews what the notebooks show; a test holds it to what the code does

It is a program of its own, so that no thread or socket of a Jupyter kernel is left in the process that tests.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

import samples
from coordinator.cli import coordinator
from gpu_workers.cli import gpu_workers
from mycelium.command import call_command

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def build_store(folder: Path) -> None:
    """Make what `make demo` makes, of fewer problems: signals of the sample's teacher, and their heartbeats."""
    at = ["--store", str(folder / "store")]
    problems = [str(samples.PROBLEMS_FILE), "--dataset", "sample", "--limit", "20", "--chunk-size", "10"]
    teacher = ["--model", str(samples.TEACHER_DIR), "--device", "cpu", "--quiet"]
    assert call_command(coordinator, "coordinator", ["ingest", *problems, *at]) == 0
    assert call_command(gpu_workers, "gpu_workers", ["extract", *teacher, *at]) == 0
    assert call_command(coordinator, "coordinator", ["run-stage", "heartbeat", "--quiet", *at]) == 0


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run every cell of a notebook by this Python, in a folder, and return it with what it shows.

    Raises:
        CellExecutionError: a cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(prefix="kernel-") as own:  # a socket's path is short
        # Sockets of files: a port that is chosen before it is bound may be another's by then.
        place = {"transport": "ipc", "ip": f"{own}/k", "connection_file": f"{own}/kernel.json"}
        client = NotebookClient(
            notebook,
            config=Config({"KernelManager": place}),
            kernel_name="python3",
            timeout=600,
            startup_timeout=600,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": own})
    return strip(notebook)


def strip(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave nothing in a notebook that says when, where and by what it was executed."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for i, cell in enumerate(notebook.cells):
        cell.metadata = {}
        cell.id = f"cell-{i}"
    return notebook


def main(arguments: list[str]) -> None:
    """Execute the notebooks in a store that is given and write them elsewhere, or in one made anew and in place."""
    if arguments:
        folder, out = map(Path, arguments)
        for path in NOTEBOOKS:
            nbformat.write(execute(path, folder), out / path.name)
        return
    with tempfile.TemporaryDirectory() as made:
        build_store(Path(made))
        for path in NOTEBOOKS:
            nbformat.write(execute(path, Path(made)), path)


if __name__ == "__main__":
    main(sys.argv[1:])
