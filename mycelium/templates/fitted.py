"""What a fit finds: estimators of p(y|x), the templates' centroids, and what is to be told of the fit.

A step of a problem that p(y|x) was estimated on is given its row by the model that had not seen its problem; a new step
by the one fitted to all. So the templates that the fit was grown on are those that the map assigns, and their label
histograms are of labels that nothing had seen.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mycelium.bottleneck.artifact import Artifact
from mycelium.bottleneck.posterior import Estimator, Posterior
from mycelium.bottleneck.rows import Floats, Ids, Rows, assign
from mycelium.errors import UserInputError
from mycelium.schema import Result
from mycelium.templates.chunks import Hashes, Matrix, StepChunk


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fit's artifact.

    Attributes:
        embedding: what made the embeddings that it was fitted to.
        names: the labels Y.
        estimator: for problems that are not among `problems`.
        folds: the estimators of the folds.
        problems: shape (m,), hashes of the problems that p(y|x) was estimated on, ascending.
        fold_of: shape (m,), which of `folds` had not seen each.
        centroids: shape (k, |Y|), p(y|t); none before the templates are found.
        report: what the manifest keeps of the fit.
    """

    embedding: str
    names: tuple[str, ...]
    estimator: Estimator
    folds: tuple[Estimator, ...]
    problems: Hashes
    fold_of: npt.NDArray[np.uint8]
    centroids: Floats
    report: Result

    def rows(self, chunk: StepChunk) -> Rows:
        """Return p(y|x) of a chunk's steps, shape (n, |Y|).

        Raises:
            UserInputError: the embeddings are others than those that this was fitted to.
        """
        return self.predict(chunk.features, chunk.problem_hashes(), chunk.embedding)

    def predict(self, features: Matrix, problems: Hashes, embedding: str) -> Rows:
        """Return p(y|x), shape (n, |Y|), of features of shape (n, d), each by a model that did not see its problem.

        Raises:
            UserInputError: the embeddings are others than those that this was fitted to.
        """
        if embedding != self.embedding:
            raise UserInputError(f"these templates were fitted to embeddings by {self.embedding}; got {embedding}")
        out = np.empty((len(features), len(self.names)), np.float32)
        if not len(features):
            return out
        where = np.minimum(np.searchsorted(self.problems, problems), max(len(self.problems) - 1, 0))
        known = self.problems[where] == problems if len(self.problems) else np.zeros(len(problems), np.bool_)
        fold = np.where(known, self.fold_of[where] if len(self.problems) else 0, len(self.folds))
        for number, estimator in enumerate((*self.folds, self.estimator)):
            members = np.flatnonzero(fold == number)
            if len(members):
                out[members] = estimator.predict(features[members])
        return out

    def assign(self, rows: Rows) -> Ids:
        """Return the template of each row, shape (n,)."""
        return assign(rows, self.centroids)

    def to_table(self) -> pa.Table:
        """Return it as a table of one row."""
        artifacts = [
            Artifact(self.embedding, self.names, estimator, self.centroids).to_bytes()
            for estimator in (self.estimator, *self.folds)
        ]
        return pa.table(
            {
                "artifact": pa.array([artifacts[0]], pa.binary()),
                "folds": pa.array([artifacts[1:]], pa.list_(pa.binary())),
                "problems": pa.array([self.problems.astype("<u8").tobytes()], pa.binary()),
                "fold_of": pa.array([self.fold_of.tobytes()], pa.binary()),
                "report": pa.array([msgspec.json.encode(self.report, enc_hook=_to_plain)], pa.binary()),
            }
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> "Fitted":
        """Read what `to_table` wrote.

        Raises:
            ChunkDamagedError: the templates in it can't be read.
        """
        row = table.to_pylist()[0]
        main, *folds = (Artifact.from_bytes(data) for data in (row["artifact"], *row["folds"]))
        return cls(
            main.embedding,
            main.names,
            main.estimator,
            tuple(fold.estimator for fold in folds),
            np.frombuffer(row["problems"], "<u8").astype(np.uint64),
            np.frombuffer(row["fold_of"], np.uint8),
            main.centroids,
            msgspec.json.decode(row["report"], type=Result),
        )


def _to_plain(value: object) -> object:
    """Return NumPy's number as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a report holds numbers and text; got {type(value).__name__}")


def carry(posterior: Posterior, names: tuple[str, ...], problems: Hashes, embedding: str) -> Fitted:
    """Return what is known once p(y|x) is estimated, without templates yet: one, of which all steps are.

    Args:
        posterior: of a sample.
        names: the labels.
        problems: shape (n,), the problem of each step of the sample.
        embedding: what made the embeddings.
    """
    known, first = np.unique(problems, return_index=True)
    folds = posterior.folds[first].astype(np.uint8)
    one = np.full((1, len(names)), 1 / len(names))
    return Fitted(embedding, names, posterior.estimator, posterior.fold_estimators, known, folds, one, {})
