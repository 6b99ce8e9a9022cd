"""docs/architecture.md is a true map: what it names is there, and of these rooms every module is named, once."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"(?:[a-z_0-9-]+\.py|[a-z_0-9-]+/)(?![\w/])")
WHOLE = ("mycelium", "lambdas", "gpu_workers", "coordinator", "infra", "samples")
"""Rooms of which every module and every package has its words on the map."""


def read_map() -> list[Path]:
    """Return what the map names, from the root: an entry's place is told by how far its line is set in."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    named: list[Path] = []
    above: dict[int, Path] = {}
    for line in page.split("```")[1].splitlines():
        depth = len(line) - len(line.lstrip())
        if not line.strip() or depth > 4:  # what some entries are for
            continue
        inside = next((above[d] for d in range(depth - 1, -1, -1) if d in above), ROOT)
        names = [inside / name for name in NAME.findall(line)]
        above = {d: path for d, path in above.items() if d < depth} | {depth: names[0]}
        # Behind the first of a line stands what is beside it, or in it.
        named += [path if path.exists() else names[0] / path.name for path in names]
    return [path.relative_to(ROOT) for path in named]


NAMED = read_map()


@pytest.mark.parametrize("path", NAMED, ids=str)
def test_what_the_map_names_is_there(path: Path) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("room", WHOLE)
def test_every_module_of_a_room_is_on_the_map_once(room: str) -> None:
    inside = {path for path in (ROOT / room).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    there = {path.relative_to(ROOT) for path in inside if not path.name.startswith("__")}
    times = Counter(path for path in NAMED if path.parent == Path(room))
    assert {path: times[path] for path in there} == dict.fromkeys(there, 1)
