"""Templates to carry along: what gives a new step its template, in one small object.

It holds the estimator of p(y|x), the templates' centroids, and the names of the labels: 150 kB for 512 features, 34
labels and 60 templates. It is a NumPy archive without pickled objects, written to the same bytes each time.
"""

import io
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mycelium.bottleneck.logistic import Logistic, Matrix
from mycelium.bottleneck.posterior import Estimator
from mycelium.bottleneck.rows import Floats, Ids, Rows, assign
from mycelium.errors import ChunkDamagedError, UserInputError

VERSION: Final = 1
_OF_ZIP: Final = (zipfile.BadZipFile, NotImplementedError)
_ARRAYS: Final = ("version", "embedding", "names", "weights", "bias", "temperature", "centroids")


@dataclass(frozen=True, slots=True)
class Artifact:
    """An estimator and templates.

    Attributes:
        embedding: which embedding the features are, as its maker names it; features of another one are refused.
        names: the labels Y, in order.
        estimator: features to p(y|x).
        centroids: shape (k, |Y|), p(y|t).
    """

    embedding: str
    names: tuple[str, ...]
    estimator: Estimator
    centroids: Floats

    def apply(self, features: Matrix, embedding: str) -> tuple[Ids, Rows]:
        """Give new steps their templates: the nearest p(y|t) to p(y|x).

        Args:
            features: shape (n, d), float32, finite.
            embedding: which embedding they are.

        Returns:
            The templates, shape (n,); and p(y|x), shape (n, |Y|).

        Raises:
            UserInputError: another embedding, or features of another length or not finite.
        """
        if embedding != self.embedding:
            raise UserInputError(f"these templates are of the embedding {self.embedding!r}; got {embedding!r}")
        rows = self.estimator.predict(features)
        return assign(rows, self.centroids), rows

    def to_bytes(self) -> bytes:
        """Return the same bytes for the same artifact; `from_bytes` reads them."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "version": np.array([VERSION]),
            "embedding": np.frombuffer(self.embedding.encode(), np.uint8),
            "names": np.frombuffer("\n".join(self.names).encode(), np.uint8),
            "weights": self.estimator.model.weights,
            "bias": self.estimator.model.bias,
            "temperature": np.array([self.estimator.temperature]),
            "centroids": self.centroids,
        }
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name in _ARRAYS:
                # An entry of a fixed date: NumPy's own writer is free to put the time in.
                part = io.BytesIO()
                np.lib.format.write_array(part, np.ascontiguousarray(arrays[name]), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Artifact":
        """Read what `to_bytes` wrote.

        Raises:
            ChunkDamagedError: it is something else, or parts of it don't fit together.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                arrays = {name: _read(archive, name, len(data)) for name in _ARRAYS}
            if arrays["version"].item() != VERSION:
                raise ChunkDamagedError(f"templates are of version {VERSION}; got {arrays['version'].item()}")
            names = tuple(arrays["names"].tobytes().decode().split("\n"))
            model = Logistic(arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32))
            estimator = Estimator(model, float(arrays["temperature"].item()))
            centroids = arrays["centroids"].astype(np.float64)
            embedding = arrays["embedding"].tobytes().decode()
        except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, *_OF_ZIP) as error:
            raise ChunkDamagedError(f"these bytes are no templates: {error}") from error
        shapes = (model.weights.ndim, model.bias.shape, centroids.ndim, centroids.shape[-1:])
        if shapes != (2, (len(names),), 2, (len(names),)) or model.weights.shape[1] != len(names):
            raise ChunkDamagedError("the parts of these templates do not fit together")
        parts = (model.weights, model.bias, centroids, np.array(estimator.temperature))
        if not all(np.isfinite(part).all() for part in parts) or estimator.temperature <= 0 or (centroids < 0).any():
            raise ChunkDamagedError("the numbers of these templates are finite, and probabilities 0 or more")
        return cls(embedding, names, estimator, centroids)


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> npt.NDArray[np.generic]:
    entry = archive.getinfo(f"{name}.npy")
    # Stored as they are: nothing can be larger than the object that it came in.
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > limit:
        raise ValueError(f"{name} is stored as it is")
    with archive.open(entry) as part:
        return np.lib.format.read_array(part, allow_pickle=False)
