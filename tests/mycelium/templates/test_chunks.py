"""One chunk's tables belong together, or are refused by name."""

import numpy as np
import pyarrow as pa
import pytest

from mycelium.errors import BadSignalError, WrongDatasetError
from mycelium.templates.chunks import hash_problem, read_chunk
from tests.mycelium.templates.world import DIMENSIONS, make_chunk, set_vectors


def test_a_chunk_is_its_steps_their_labels_and_their_vectors() -> None:
    tables = make_chunk(3, 4, 5)
    chunk = read_chunk(tables)
    assert len(chunk) == 20
    assert chunk.features.shape == (20, DIMENSIONS)
    assert chunk.features.dtype == np.float32
    assert chunk.embedding == f"test v1 (dimensions {DIMENSIONS})"
    assert chunk.places()[[0, 1, 5]].tolist() == [12 << 20, (12 << 20) + 1, 13 << 20]
    assert chunk.problem_hashes()[:6].tolist() == [hash_problem("q12")] * 5 + [hash_problem("q13")]


def test_y_is_the_primary_label_the_root_or_all() -> None:
    tables = make_chunk(0, blank=0.5)
    chunk = read_chunk(tables)
    primary = tables[2]["primary"].to_pylist()
    assert chunk.label_lists("primary") == [[label] if label else [] for label in primary]
    assert chunk.label_lists("root") == [["eq"] if label else [] for label in primary]
    assert chunk.label_lists("all") == [["eq", label] if label else [] for label in primary]
    assert [] in chunk.label_lists("primary")


@pytest.mark.parametrize("which", [2, 3])
def test_labels_and_embeddings_of_other_steps_are_refused(which: int) -> None:
    tables = make_chunk(0)
    for wrong in (tables[which].slice(1), pa.concat_tables([tables[which].slice(1), tables[which].slice(0, 1)])):
        broken = [wrong if place == which else table for place, table in enumerate(tables)]
        with pytest.raises(WrongDatasetError, match="has a row for each of the 48 steps, in their order"):
            read_chunk(broken)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_embedding_that_is_not_finite_is_named(bad: float) -> None:
    tables = make_chunk(0)
    vectors = tables[3]["embedding"].to_pylist()
    vectors[7] = [bad, *vectors[7][1:]]
    with pytest.raises(BadSignalError, match="the embedding of step 1 of problem q1 is not finite"):
        read_chunk(set_vectors(tables, vectors))


def test_vectors_of_two_lengths_in_a_chunk_are_refused() -> None:
    tables = make_chunk(0)
    vectors = tables[3]["embedding"].to_pylist()
    vectors[0] = vectors[0][:-1]
    with pytest.raises(WrongDatasetError, match=r"have one length; got \[5, 6\] in one chunk"):
        read_chunk(set_vectors(tables, vectors))


def test_a_chunk_without_steps_is_a_chunk() -> None:
    chunk = read_chunk([table.slice(0, 0) for table in make_chunk(0)])
    assert (len(chunk), chunk.problem_hashes().tolist(), chunk.label_lists("primary")) == (0, [], [])


def test_a_problem_has_the_same_hash_on_any_machine() -> None:
    assert hash_problem("q1") == 0x6880E20EA57A83E7
    assert hash_problem("q1") != hash_problem("q2")
