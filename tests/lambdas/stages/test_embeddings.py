"""The stand-in for a model's embeddings: exact, the same everywhere, and near where expressions are alike."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.stages.embeddings import (
    STAGE,
    EmbeddingsParams,
    add_vectors,
    embed_texts,
    hash_ngrams,
    map_steps,
    summarize_vectors,
)
from mycelium.datasets import EMBEDDINGS
from mycelium.schema import encode_chunk
from tests.builders import make_header
from tests.lambdas.stages.test_labels import make_steps

MASK = (1 << 64) - 1


def hash_slowly(text: str, longest: int) -> list[int]:
    """Hash every n-gram by Python's whole numbers, one after another."""
    out = []
    for n in range(1, longest + 1):
        for i in range(len(text) - n + 1):
            value = 0
            for character in text[i : i + n]:
                value = (value * 0x9E3779B97F4A7C15 + ord(character) + 1) & MASK
            value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
            out.append(value ^ (value >> 31))
    return out


def embed_slowly(text: str, dimensions: int, longest: int) -> list[float]:
    """Embed one text by the definition."""
    sums = [0] * dimensions
    for value in hash_slowly(f" {' '.join(text.split())} ", longest):
        sums[(value & (MASK >> 1)) % dimensions] += -1 if value >> 63 else 1
    total = sum(map(abs, sums)) or 1
    return [float(np.float16(np.sign(s) * np.sqrt(abs(s) / total))) for s in sums]


@given(st.lists(st.text(max_size=20), max_size=5), st.integers(1, 40), st.integers(1, 8))
def test_the_vectors_are_those_of_the_definition(texts: list[str], dimensions: int, longest: int) -> None:
    got = embed_texts(texts, dimensions, longest)
    assert got.shape == (len(texts), dimensions)
    assert got.dtype == np.float16
    assert got.tolist() == [embed_slowly(text, dimensions, longest) for text in texts]


def test_the_bytes_are_the_same_on_any_machine() -> None:
    data = embed_texts([r"\binom{9}{4} = 126", "48/2", "∑ⁿ"], 512, 3).tobytes()
    assert hashlib.sha256(data).hexdigest()[:16] == "b14623e6666512fd"


def test_n_grams_longer_than_the_text_are_no_error() -> None:
    assert len(hash_ngrams(np.array([97, 98], np.uint64), 8)) == 3


def test_what_is_written_alike_is_near() -> None:
    one, other, far = embed_texts([r"\frac{3}{4} + 1", r"\frac{3}{5} + 1", r"\sin \theta"], 512, 3).astype(np.float64)
    assert one @ other > 0.7
    assert one @ far < 0.3


def test_spacing_says_nothing_and_length_is_one() -> None:
    one, other = embed_texts(["1  +\n 1", " 1 + 1 "], 512, 3).astype(np.float64)
    assert (one == other).all()
    assert one @ one == pytest.approx(1, abs=1e-3)


def embed(expressions: Sequence[str], params: EmbeddingsParams | None = None) -> pa.Table:
    (table,) = map_steps([make_steps(expressions)], params or EmbeddingsParams())
    return table


def test_each_step_has_a_row_in_order() -> None:
    table = embed(["1+1=2", "x=5", "1+1=2"], EmbeddingsParams(dimensions=64))
    assert table["problem_id"].to_pylist() == ["q0", "q0", "q1"]
    assert table["step"].to_pylist() == [0, 1, 0]
    vectors = table["embedding"].to_pylist()
    assert vectors[0] == vectors[2] != vectors[1]
    assert {len(vector) for vector in vectors} == {64}


def test_a_chunk_without_steps_is_no_error() -> None:
    table = embed([])
    assert table.num_rows == 0
    encode_chunk(EMBEDDINGS, table, make_header(EMBEDDINGS))


def test_the_result_says_that_it_is_a_stand_in() -> None:
    parts = [summarize_vectors([embed(["1+1"])]), summarize_vectors([embed(["2", "3"])])]
    (told,) = STAGE.conclude(add_vectors(parts), EmbeddingsParams())["embedded"]
    assert told == {"model": "signed count sketch of character n-grams of 1 to 3", "dimensions": 512, "steps": 3}


def test_the_same_chunk_gives_the_same_bytes() -> None:
    first, second = (encode_chunk(EMBEDDINGS, embed(["1+1=2", "x"]), make_header(EMBEDDINGS)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("given", [{"dimensions": 0}, {"dimensions": 1 << 20}, {"longest": 0}, {"longest": 9}])
def test_what_has_no_meaning_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        EmbeddingsParams(**given)
