"""The graph of a family's runs, drawn as SVG: a column for each generation, an arrow from what was read."""

from collections.abc import Mapping
from dataclasses import dataclass

from coordinator.report.family import Family
from mycelium.manifest import Manifest

WIDTH, HEIGHT, GAP_X, GAP_Y = 176, 46, 44, 18
"""A box, and the space between boxes; pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """A run in the graph.

    Attributes:
        stage: its stage.
        line: what stands below the stage's name.
        x: its left edge.
        y: its upper edge.
        is_complete: whether all its chunks are done.
    """

    stage: str
    line: str
    x: int
    y: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Lineage:
    """A drawing.

    Attributes:
        boxes: the runs.
        arrows: SVG paths.
        width: of the drawing, pixels.
        height: of the drawing, pixels.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]
    width: int
    height: int


def draw_lineage(family: Family) -> Lineage:
    """Lay out a family's runs."""
    by_id = {manifest.run_id: manifest for manifest in family.by_stage.values()}
    columns: dict[int, list[Manifest]] = {}
    for manifest in family.by_stage.values():
        columns.setdefault(_generation(manifest, by_id), []).append(manifest)
    places: dict[str, Box] = {}
    for place, generation in enumerate(sorted(columns)):
        for row, manifest in enumerate(columns[generation]):
            n_rows = sum(outcome.n_output for outcome in manifest.outcomes)
            line = f"{manifest.n_chunks:,} chunks, {n_rows:,} rows"
            x, y = place * (WIDTH + GAP_X) + 2, row * (HEIGHT + GAP_Y) + 2
            places[manifest.run_id] = Box(manifest.stage, line, x, y, manifest.complete)
    arrows = [
        _arrow(places[run_id], places[manifest.run_id])
        for manifest in family.by_stage.values()
        for run_id in dict.fromkeys(name.rpartition("/")[2] for name in manifest.parents)
        if run_id in places
    ]
    right = max(box.x for box in places.values()) + WIDTH + 4
    bottom = max(box.y for box in places.values()) + HEIGHT + 4
    return Lineage(tuple(places.values()), tuple(arrows), right, bottom)


def _generation(manifest: Manifest, by_id: Mapping[str, Manifest], depth: int = 0) -> int:
    parents = [by_id[name.rpartition("/")[2]] for name in manifest.parents if name.rpartition("/")[2] in by_id]
    if depth > len(by_id) or not parents:  # a circle of wrong manifests ends here
        return 0
    return 1 + max(_generation(parent, by_id, depth + 1) for parent in parents)


def _arrow(source: Box, target: Box) -> str:
    x1, y1, x2, y2 = source.x + WIDTH, source.y + HEIGHT // 2, target.x - 4, target.y + HEIGHT // 2
    bend = max(24, (x2 - x1) // 2)
    return f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
