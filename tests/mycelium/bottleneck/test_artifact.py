"""The object that is carried along, whole and damaged."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.bottleneck.artifact import Artifact
from mycelium.bottleneck.logistic import Logistic
from mycelium.bottleneck.posterior import Estimator
from mycelium.bottleneck.rows import assign
from mycelium.errors import ChunkDamagedError, UserInputError


def make(seed: int = 0) -> Artifact:
    generator = np.random.default_rng(seed)
    model = Logistic(generator.normal(size=(6, 3)).astype(np.float32), generator.normal(size=3).astype(np.float32))
    return Artifact("n-grams", ("add", "mul", "√"), Estimator(model, 1.3), generator.dirichlet(np.ones(3), 4))


def test_bytes_hold_all_of_it_and_are_the_same_each_time() -> None:
    artifact = make()
    data = artifact.to_bytes()
    again = Artifact.from_bytes(data)
    assert again.to_bytes() == data == make().to_bytes()
    assert (again.names, again.embedding, again.estimator.temperature) == (artifact.names, "n-grams", 1.3)
    assert again.centroids.tobytes() == artifact.centroids.tobytes()


def test_new_steps_get_the_nearest_template() -> None:
    artifact = Artifact.from_bytes(make().to_bytes())
    features = np.random.default_rng(1).normal(size=(10_000, 6)).astype(np.float32)
    ids, rows = artifact.apply(features, "n-grams")
    assert ids.tolist() == assign(rows, artifact.centroids).tolist()
    assert rows.sum(axis=1) == pytest.approx(np.ones(10_000), abs=1e-6)
    some, _ = artifact.apply(features[4000:4100], "n-grams")
    assert some.tolist() == ids[4000:4100].tolist()


def test_features_of_another_embedding_are_refused() -> None:
    features = np.zeros((2, 6), np.float32)
    with pytest.raises(UserInputError, match="of the embedding 'n-grams'; got 'teacher'"):
        make().apply(features, "teacher")
    with pytest.raises(UserInputError, match="6 numbers long"):
        make().apply(features[:, :5], "n-grams")


def with_entry(name: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(make().to_bytes())) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            if entry.filename == name:
                new.writestr(zipfile.ZipInfo(name), data, compression)
            else:
                new.writestr(entry, old.read(entry))
    return out.getvalue()


def array(value: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(value))
    return out.getvalue()


def pickled() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([{}], dtype=object), allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 no archive",
        pickle.dumps({"weights": 1}),
        make().to_bytes()[:-30],
        make().to_bytes()[:400],
        with_entry("version.npy", array([2])),
        with_entry("version.npy", array([1, 1])),
        with_entry("weights.npy", pickled()),
        with_entry("weights.npy", array(np.zeros((6, 2), np.float32))),
        with_entry("weights.npy", array(np.zeros(3, np.float32))),
        with_entry("weights.npy", array(np.full((6, 3), np.nan, np.float32))),
        with_entry("weights.npy", array(np.array([["a"] * 3] * 6))),
        with_entry("weights.npy", array(np.zeros((6, 3), np.float32)), zipfile.ZIP_DEFLATED),
        with_entry("temperature.npy", array([0.0])),
        with_entry("temperature.npy", array([-1.0])),
        with_entry("centroids.npy", array(np.full((4, 3), -1.0))),
        with_entry("centroids.npy", array(np.ones((4, 5)))),
        with_entry("centroids.npy", array(1.0)),
        with_entry("names.npy", array(np.array([255], np.uint8))),
        with_entry("weights.npy", array(np.zeros((6, 3))).replace(b"(6, 3)", b"(9, 9999999999999999)".ljust(21))),
        with_entry("names.npy", array(np.zeros(0, np.uint8))),
    ],
)
def test_bytes_that_are_no_templates_are_refused(data: bytes) -> None:
    with pytest.raises(ChunkDamagedError):
        Artifact.from_bytes(data)


@given(st.data())
@settings(max_examples=100)
def test_a_damaged_object_is_refused_or_still_fits_together(data: st.DataObject) -> None:
    whole = bytearray(make().to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        artifact = Artifact.from_bytes(bytes(whole))
    except ChunkDamagedError:
        return
    assert artifact.centroids.shape[1] == len(artifact.names)
