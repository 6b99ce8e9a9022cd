"""The drawing of what was made of what: no two boxes on one place, every arrow from left to right."""

import re
from itertools import combinations

from coordinator.report.family import find_family
from coordinator.report.graph import HEIGHT, WIDTH, draw_lineage
from mycelium.store import MemoryStore
from tests.coordinator.report.relatives import write_all, write_run


def test_boxes_stand_apart_and_arrows_point_right() -> None:
    store = MemoryStore()
    drawn = draw_lineage(find_family(store, write_all(store)))
    assert len(drawn.boxes) == 8
    for a, b in combinations(drawn.boxes, 2):
        assert abs(a.x - b.x) >= WIDTH or abs(a.y - b.y) >= HEIGHT
    assert len(drawn.arrows) == 13
    for arrow in drawn.arrows:
        start, end = re.findall(r"(-?\d+),(-?\d+)", arrow)[0], re.findall(r"(-?\d+),(-?\d+)", arrow)[-1]
        assert int(start[0]) < int(end[0])
    assert all(0 <= box.x <= drawn.width - WIDTH and 0 <= box.y <= drawn.height - HEIGHT for box in drawn.boxes)


def test_runs_that_name_each_other_are_drawn_too() -> None:
    store = MemoryStore()
    one = write_run(store, "labels", inputs=(f"steps/{write_run(store, 'steps').run_id}",))
    write_run(store, "steps", inputs=(f"labels/{one.run_id}",))
    assert len(draw_lineage(find_family(store, one)).boxes) == 2
