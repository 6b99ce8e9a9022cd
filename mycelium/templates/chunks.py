"""One chunk of a run of `templates`: its steps, their Y, their X, and which problem each is of."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mycelium.errors import BadSignalError, WrongDatasetError
from mycelium.labels.steps import PLACE_STEPS
from mycelium.stage import MADE_BY

Matrix = npt.NDArray[np.float32]
Hashes = npt.NDArray[np.uint64]

ALL_HASHES = 1 << 64
"""Every hash of a problem is below it."""


@dataclass(frozen=True, slots=True)
class StepChunk:
    """The steps of one chunk.

    Attributes:
        problems: the table of `problems`, as far as it was read.
        steps: the table of `steps`.
        labels: the table of `labels`, whose rows are those of `steps`.
        features: shape (n, d), X; d is 0 where there are no steps.
        embedding: what made the embeddings: stage, version and parameters.
    """

    problems: pa.Table
    steps: pa.Table
    labels: pa.Table
    features: Matrix
    embedding: str

    def __len__(self) -> int:
        """Return how many steps there are."""
        return int(self.steps.num_rows)

    def label_lists(self, which: str) -> list[list[str]]:
        """Return the labels of each step: none where it could not be read.

        Args:
            which: ``primary``, ``root`` or ``all``.
        """
        if which == "all":
            found: list[list[str]] = self.labels["labels"].to_pylist()
            return found
        return [[] if label is None else [label] for label in self.labels[which].to_pylist()]

    def places(self) -> npt.NDArray[np.int64]:
        """Return each step's place in the run, shape (n,)."""
        steps = self.steps
        return np.asarray(
            steps["index"].to_numpy().astype(np.int64) * PLACE_STEPS + steps["step"].to_numpy().astype(np.int64)
        )

    def problem_hashes(self) -> Hashes:
        """Return a hash of each step's problem, shape (n,): the same on any machine."""
        coded = self.steps["problem_id"].combine_chunks().dictionary_encode()
        known = np.array([hash_problem(name) for name in coded.dictionary.to_pylist()], np.uint64)
        return known[coded.indices.to_numpy(zero_copy_only=False)] if len(known) else known


def hash_problem(problem_id: str) -> int:
    """Return 64 bits that are the same for the same problem."""
    data = problem_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def read_chunk(tables: Sequence[pa.Table]) -> StepChunk:
    """Take the tables of a chunk, and check that they belong together.

    Args:
        tables: `problems`, `steps`, `labels` and `embeddings`; of the last, the metadata say what made it.

    Raises:
        WrongDatasetError: labels or embeddings are of other steps, or a vector is of another length than the others.
        BadSignalError: an embedding is not finite.
    """
    problems, steps, labels, embeddings = tables[:4]
    for name, table in (("labels", labels), ("embeddings", embeddings)):
        _check_rows(steps, table, name)
    made_by = msgspec.json.decode((embeddings.schema.metadata or {}).get(MADE_BY, b'["an unknown stage",{}]'))
    said = ", ".join(f"{name} {value}" for name, value in made_by[1].items())
    return StepChunk(problems, steps, labels, _read_features(embeddings), f"{made_by[0]} ({said})")


def _check_rows(steps: pa.Table, table: pa.Table, name: str) -> None:
    if steps.num_rows == table.num_rows:
        same = pc.and_(pc.equal(steps["problem_id"], table["problem_id"]), pc.equal(steps["step"], table["step"]))
        if pc.all(same, min_count=0).as_py():
            return
    raise WrongDatasetError(
        f"{name} has a row for each of the {steps.num_rows} steps, in their order; got {table.num_rows} rows: made of "
        "another run of steps?"
    )


def _read_features(embeddings: pa.Table) -> Matrix:
    column = embeddings["embedding"].combine_chunks()
    if not len(column):
        return np.zeros((0, 0), np.float32)
    lengths = np.unique(pc.list_value_length(column).to_numpy(zero_copy_only=False))
    if column.null_count or len(lengths) != 1 or not lengths[0]:
        raise WrongDatasetError(f"the embeddings of a run have one length; got {lengths.tolist()} in one chunk")
    features = np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(len(column), -1)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        row = embeddings.slice(int(finite.argmin()), 1).to_pylist()[0]
        raise BadSignalError(f"the embedding of step {row['step']} of problem {row['problem_id']} is not finite")
    return features
