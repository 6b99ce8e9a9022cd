"""Turn every step into a vector without a model: a stand-in for `python -m gpu_workers embed`, on any laptop.

The vector of an expression is a signed count sketch of its character n-grams: each n-gram has a place and a sign, both
from a hash; s_j is the sum of the signs that fall on place j, and

    x_j = sign(s_j) · √(|s_j| / Σ|s|)

so that the vector has length 1, and an n-gram that comes twice as often does not count twice as much. Sums are whole
numbers, and division and square root are exact to the last bit by IEEE 754: so the same expression has the same bytes
on any machine. ADR 0073 compares it with a truncated SVD, which needs to know the other chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lambdas.stages.steps import STEPS
from mycelium.datasets import EMBEDDINGS
from mycelium.schema import Result
from mycelium.stage import Stage, select_columns

MAX_DIMENSIONS: Final = 1 << 14
MAX_N: Final = 8
_MULTIPLIERS: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class EmbeddingsParams:
    """What can be set.

    Attributes:
        dimensions: how many places there are.
        longest: characters of the longest n-gram; the shortest has one.
    """

    dimensions: int = field(default=512, metadata={"help": "Numbers in a vector."})
    longest: int = field(default=3, metadata={"help": "Characters of the longest n-gram."})

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if not 1 <= self.dimensions <= MAX_DIMENSIONS:
            raise ValueError(f"dimensions are 1 to {MAX_DIMENSIONS}; got {self.dimensions}")
        if not 1 <= self.longest <= MAX_N:
            raise ValueError(f"longest is 1 to {MAX_N}; got {self.longest}")


def map_steps(tables: Sequence[pa.Table], params: EmbeddingsParams) -> list[pa.Table]:
    """Embed the steps of one chunk.

    Args:
        tables: one table of `steps`.
        params: see there.

    Returns:
        One table of `embeddings`, a row for each step, in order.
    """
    (table,) = tables
    coded = table["expression"].combine_chunks().dictionary_encode()
    vectors = embed_texts(coded.dictionary.to_pylist(), params.dimensions, params.longest)
    values = vectors[coded.indices.to_numpy(zero_copy_only=False)]
    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * params.dimensions)
    columns = [table["problem_id"], table["step"], pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))]
    return [pa.table(columns, names=EMBEDDINGS.arrow_schema().names).cast(EMBEDDINGS.arrow_schema())]


def embed_texts(texts: Sequence[str], dimensions: int, longest: int) -> npt.NDArray[np.float16]:
    """Return the vectors of some texts.

    White space is joined, and a space stands before and behind each text, so that its ends are seen.

    Args:
        texts: at least one n-gram is in each, since the spaces count.
        dimensions: 1 or more.
        longest: characters of the longest n-gram.

    Returns:
        Shape (texts, dimensions), each row of length 1 or, where all signs cancel, 0.
    """
    sums = np.zeros((len(texts), dimensions), np.int32)
    for row, text in enumerate(texts):
        codes = np.frombuffer(f" {' '.join(text.split())} ".encode("utf-32-le", "surrogatepass"), np.uint32)
        hashes = hash_ngrams(codes.astype(np.uint64), longest)
        signs = 1 - 2 * (hashes >> np.uint64(63)).astype(np.int32)
        # The sign is the highest bit, and the place comes from the others.
        places = (hashes & np.uint64((1 << 63) - 1)) % np.uint64(dimensions)
        sums[row] = np.bincount(places.astype(np.int64), signs, dimensions).astype(np.int32)
    size = np.abs(sums).astype(np.float64)
    total = size.sum(axis=1, keepdims=True)
    return np.asarray(np.sign(sums) * np.sqrt(size / np.maximum(total, 1)), np.float16)


def hash_ngrams(codes: npt.NDArray[np.uint64], longest: int) -> npt.NDArray[np.uint64]:
    """Return a hash of each n-gram of one character up to `longest`: Σ code · odd^place, stirred, modulo 2⁶⁴."""
    found = []
    rolling = np.zeros(len(codes), np.uint64)
    first, second, third = (np.uint64(value) for value in _MULTIPLIERS)
    for n in range(1, min(longest, len(codes)) + 1):
        # What was hashed so far, one character further on: windows of n characters, by where they begin.
        rolling = rolling[: len(codes) - n + 1] * first + codes[n - 1 :] + np.uint64(1)
        stirred = (rolling ^ (rolling >> np.uint64(30))) * second
        stirred = (stirred ^ (stirred >> np.uint64(27))) * third
        found.append(stirred ^ (stirred >> np.uint64(31)))
    return np.concatenate(found)


def summarize_vectors(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the sums of one chunk: steps."""
    return pa.table({"steps": pa.array([tables[0].num_rows], pa.int64())})


def add_vectors(parts: Sequence[pa.Table]) -> pa.Table:
    """Add parts."""
    total = pa.concat_tables(parts).group_by([], use_threads=False).aggregate([("steps", "sum")])
    return total.rename_columns(["steps"])


def conclude_vectors(total: pa.Table, params: EmbeddingsParams) -> Result:
    """Say what was embedded, and how."""
    how = f"signed count sketch of character n-grams of 1 to {params.longest}"
    return {"embedded": [{"model": how, "dimensions": params.dimensions, "steps": total["steps"][0].as_py()}]}


STAGE = Stage(
    name="embeddings",
    version=1,
    summary="turn every step into a vector without a model, where there is none: hashed character n-grams",
    reads=(STEPS,),
    writes=(EMBEDDINGS,),
    params=EmbeddingsParams(),
    map=map_steps,
    summarize=summarize_vectors,
    reduce=add_vectors,
    conclude=conclude_vectors,
    select=select_columns("problem_id", "step", "expression"),
)
