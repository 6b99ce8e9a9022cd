"""Which chunks a range of problems is, and which of them are written."""

from mycelium.datasets import PROBLEMS
from mycelium.fleet.chunks import chunks_between, first_problems, written_chunks
from mycelium.schema import Provenance
from mycelium.store import Store
from tests.builders import build_run, make_problems


def test_a_chunk_belongs_to_the_range_in_which_it_begins(store: Store) -> None:
    table = make_problems(7)
    tables = [table.slice(0, 3), table.slice(3, 3), table.slice(6, 1)]
    problems = build_run(store, tables, PROBLEMS, provenance=Provenance("math", "MATH")).manifest
    assert first_problems(problems) == {"00000": (0, 3), "00001": (3, 3), "00002": (6, 1)}
    assert chunks_between(problems, 0, 3) == ["00000", "00001"]
    assert chunks_between(problems, 4, 6) == ["00002"]
    assert chunks_between(problems, 1, 2) == []
    for cut in range(7):  # wherever it is cut, each chunk is somewhere once
        both = chunks_between(problems, 0, cut) + chunks_between(problems, cut + 1, 7842)
        assert both == ["00000", "00001", "00002"]


def test_a_chunk_is_written_when_every_dataset_has_it(store: Store) -> None:
    for key in ("tokens/r/00000.parquet", "iaf/r/00000.parquet", "iaf/r/00001.parquet", "iaf/r/notes.txt"):
        store.put(key, b"x", mode="create")
    assert written_chunks(store, "r", ("tokens", "iaf")) == {"00000"}
