"""What a chunk answers to the rounds of a fit, and how answers add up: exactly, in any order and grouping.

There are four kinds of question. Each answer is a table by whose columns its kind is known:

- `survey`: a tally of steps, labels, lengths of vectors and who made them;
- `sample`: X and Y of the problems whose hash is below a bound, which chunks of any cut agree on;
- `rows`: p(y|x) of every step, quantized;
- `sums`: what `mycelium.bottleneck.rows.accumulate` says to a question of the hierarchy.

Samples and rows are put together in the order of the steps; tallies and sums are whole numbers.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mycelium.bottleneck.rows import Question, Sums, accumulate
from mycelium.stats import Tally, add_tallies
from mycelium.templates.chunks import ALL_HASHES, StepChunk, read_chunk
from mycelium.templates.fitted import Fitted
from mycelium.templates.params import TemplatesParams

_SUMS: Final = ("counts", "labels", "moments", "bin_counts", "bin_labels")


def ask_survey() -> pa.Table:
    """Return the question for counts of what there is."""
    return pa.table({"kind": ["survey"]})


def ask_sample(bound: int) -> pa.Table:
    """Return the question for X and Y of the problems whose hash is below a bound, 0 to 2⁶⁴."""
    return pa.table({"kind": ["sample"], "bound": [str(bound)]})


def ask_rows(fitted: Fitted) -> pa.Table:
    """Return the question for the p(y|x) of every step."""
    return _with_kind("rows", fitted)


def ask_sums(fitted: Fitted, question: Question) -> pa.Table:
    """Return the question for the sums of the hierarchy."""
    table = _with_kind("sums", fitted)
    columns: dict[str, object] = {
        "centroids": question.centroids,
        "bias": question.bias,
        "moments": np.array(question.moments, np.int64),
        "clusters": np.array(question.clusters, np.int64),
        "directions": question.directions,
        "edges": question.edges,
    }
    for name, value in columns.items():
        array = None if value is None else np.asarray(value)
        table = table.append_column(name, pa.array([None if array is None else array.tobytes()], pa.binary()))
        shape = [] if array is None else list(array.shape)
        table = table.append_column(f"{name}_shape", pa.array([shape], pa.list_(pa.int64())))
    return table


def _with_kind(kind: str, fitted: Fitted) -> pa.Table:
    return fitted.to_table().append_column("kind", pa.array([kind]))


def answer_question(tables: Sequence[pa.Table], params: TemplatesParams) -> pa.Table:
    """Answer a question for one chunk.

    Args:
        tables: `problems`, `steps`, `labels`, `embeddings`, and the question.
        params: those of the run.

    Returns:
        The answer.
    """
    chunk, question = read_chunk(tables), tables[-1]
    kind = question["kind"][0].as_py()
    if kind == "survey":
        return _survey(chunk, params)
    if kind == "sample":
        return _sample(chunk, params, int(question["bound"][0].as_py()))
    fitted = Fitted.from_table(question)
    rows = fitted.rows(chunk)
    if kind == "rows":
        return _pack({"place": pa.array(chunk.places())}, "row", rows)
    return encode_sums(accumulate(rows, _read_question(question)))


def add_answers(parts: Sequence[pa.Table]) -> pa.Table:
    """Add answers to one question; see the module."""
    names = parts[0].column_names
    if "place" in names:
        return pa.concat_tables(parts).sort_by("place").combine_chunks()
    if "values" not in names:
        return add_tallies(parts)
    total = decode_sums(parts[0])
    for part in parts[1:]:
        total = total + decode_sums(part)
    return encode_sums(total)


def _survey(chunk: StepChunk, params: TemplatesParams) -> pa.Table:
    tally = Tally()
    tally.add("step", count=len(chunk))
    for labels in chunk.label_lists(params.label):
        tally.add("labelled", count=int(bool(labels)))
        for label in labels:
            tally.add("label", label.encode())
    if len(chunk):
        tally.add("embedding", chunk.embedding.encode())
        tally.add("dimensions", str(chunk.features.shape[1]).encode())
    return tally.table()


def _sample(chunk: StepChunk, params: TemplatesParams, bound: int) -> pa.Table:
    problems = chunk.problem_hashes()
    chosen = np.arange(len(chunk)) if bound >= ALL_HASHES else np.flatnonzero(problems < np.uint64(bound))
    labels = chunk.label_lists(params.label)
    columns = {
        "place": pa.array(chunk.places()[chosen]),
        "problem": pa.array(problems[chosen]),
        "labels": pa.array([labels[i] for i in chosen], pa.list_(pa.string())),
    }
    return _pack(columns, "x", chunk.features[chosen].astype(np.float16))


def _pack(columns: dict[str, pa.Array], name: str, matrix: npt.NDArray[np.floating]) -> pa.Table:
    """Return a table with a matrix as a column of bytes, a row's numbers together."""
    rows = np.ascontiguousarray(matrix)
    if not len(rows):  # whose width a chunk without steps does not know
        packed = pa.array([], pa.binary())
    else:
        width = rows.shape[1] * rows.itemsize
        offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int64) * width)
        packed = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(rows), [None, offsets.buffers()[1], pa.py_buffer(rows)]
        )
    return pa.table({**columns, name: packed.cast(pa.large_binary())})


def unpack(column: pa.ChunkedArray, dtype: type[np.floating]) -> npt.NDArray[np.floating]:
    """Return the matrix that `_pack` made a column of: a view, as long as nothing has cut the column."""
    packed = column.combine_chunks()
    if not len(packed):
        return np.zeros((0, 0), dtype)
    start = packed.offset
    offsets = np.frombuffer(packed.buffers()[1], np.int64)[start : start + len(packed) + 1]
    data = np.frombuffer(packed.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    return data.view(dtype).reshape(len(packed), -1)


def encode_sums(sums: Sums) -> pa.Table:
    """Return sums as a table: a row for each array, its shape and its whole numbers."""
    arrays = [np.asarray(getattr(sums, name), np.int64) for name in _SUMS]
    return pa.table(
        {
            "name": pa.array(_SUMS),
            "shape": pa.array([list(array.shape) for array in arrays], pa.list_(pa.int64())),
            "values": pa.array([array.ravel() for array in arrays], pa.list_(pa.int64())),
        }
    )


def decode_sums(table: pa.Table) -> Sums:
    """Read what `encode_sums` wrote."""
    arrays = [
        values.values.to_numpy(zero_copy_only=False).reshape(shape.as_py())
        for values, shape in zip(table["values"], table["shape"], strict=True)
    ]
    return Sums(*arrays)


def _read_question(table: pa.Table) -> Question:
    def read(name: str, dtype: type[np.generic]) -> npt.NDArray[np.generic] | None:
        data = table[name][0].as_py()
        return None if data is None else np.frombuffer(data, dtype).reshape(table[f"{name}_shape"][0].as_py())

    floats = {name: read(name, np.float64) for name in ("centroids", "bias", "directions", "edges")}
    whole = {name: read(name, np.int64) for name in ("moments", "clusters")}
    return Question(
        centroids=np.asarray(floats["centroids"], np.float64),
        bias=None if floats["bias"] is None else np.asarray(floats["bias"], np.float64),
        moments=tuple(np.asarray(whole["moments"]).tolist()),
        clusters=tuple(np.asarray(whole["clusters"]).tolist()),
        directions=None if floats["directions"] is None else np.asarray(floats["directions"], np.float64),
        edges=None if floats["edges"] is None else np.asarray(floats["edges"], np.float64),
    )
