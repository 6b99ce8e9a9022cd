"""Compute the signals from the attention itself, as `mycelium.signals` defines them, in NumPy.

The GPU machine reads the signals without ever holding a matrix. This stage goes the other way: it takes the matrices
that `extract --signals raw` wrote for some heads, and applies the definitions to them as they stand. What comes out has
the same datasets and the same values, but for roundings: that is the test of the one by the other, and the way for
attention that was read elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mycelium.datasets import ATTENTION, CONNECTIVITY, DIVERGENCE, ENTROPY, IAF, RECEIVED, TOKENS
from mycelium.errors import BadSignalError, WrongDatasetError
from mycelium.schema import Result
from mycelium.signals.connectivity import effective_sources
from mycelium.signals.divergence import window_divergence
from mycelium.signals.entropy import attention_entropy
from mycelium.signals.iaf import attended_fraction
from mycelium.signals.received import received_attention
from mycelium.stage import Stage
from mycelium.stats import Tally, add_tallies
from mycelium.traces import Traces, Weights, read_weights

Half = npt.NDArray[np.float16]

WRITES = (ENTROPY, CONNECTIVITY, RECEIVED, DIVERGENCE, IAF)
"""In the order of writing; `iaf` last, as by the GPU machine."""

OFF = 1e-2
"""How far from 1 the weights of a generated token may sum: each has been rounded to float16."""


@dataclass(frozen=True, slots=True)
class IafParams:
    """What can be set.

    Attributes:
        sink: whether the first token counts as input (``keep``) or is left out of both sums (``exclude``).
        window: the generated tokens in each of the two windows whose attention the divergence compares.
    """

    sink: str = field(
        default="keep",
        metadata={"help": "Count the first token (the attention sink) as input (keep), or leave it out (exclude)."},
    )
    window: int = field(default=16, metadata={"help": "Tokens in each of the two windows that divergence compares."})

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.sink not in {"keep", "exclude"}:
            raise ValueError(f"sink is keep or exclude; got {self.sink!r}")
        if self.window < 1:
            raise ValueError(f"window is 1 or more; got {self.window}")


def map_matrices(tables: Sequence[pa.Table], params: IafParams) -> list[pa.Table]:
    """Compute the signals of one chunk.

    Args:
        tables: one table of `tokens`; and one of `attention`, by layer, head, problem and token.
        params: see there.

    Returns:
        A table of each of `WRITES`, by layer, then problem, then token; their heads are those of the input.

    Raises:
        WrongDatasetError: the two do not belong together, or not every layer has the same heads and problems.
        BadSignalError: weights are no attention.
    """
    tokens, attention = tables
    lengths = _read_lengths(tokens)
    values: dict[tuple[str, int, int, str], Half] = {}
    levels: dict[str, int | None] = {}
    for block in read_weights(attention):
        _check_weights(block, lengths)
        levels[block.problem_id] = block.level
        for name, value in _compute(block, params).items():
            values[name, block.layer, block.head, block.problem_id] = value
    layers, heads = (sorted(set(pc.unique(attention[name]).to_pylist())) for name in ("layer", "head"))
    if len(values) != len(WRITES) * len(layers) * len(heads) * len(levels):
        raise WrongDatasetError("every layer of a chunk of attention has the same heads and problems; some are missing")
    return [
        Traces(
            list(levels),
            list(levels.values()),
            [
                np.stack([[values[dataset.name, layer, head, problem_id] for head in heads] for layer in layers])
                for problem_id in levels
            ],
            layers,
            heads,
        ).tabulate(dataset)
        for dataset in WRITES
    ]


def _read_lengths(tokens: pa.Table) -> dict[str, tuple[int, int]]:
    """Return the tokens of prompt and chain of each problem that was read."""
    read = tokens.filter(tokens["skipped"].is_null())
    columns = (read[name].to_pylist() for name in ("problem_id", "n_input", "n_generated"))
    return {problem_id: (n_input, n_generated) for problem_id, n_input, n_generated in zip(*columns, strict=True)}


def _check_weights(block: Weights, lengths: dict[str, tuple[int, int]]) -> None:
    got, said = (block.n_first, len(block.weights)), lengths.get(block.problem_id)
    if got != said:
        raise WrongDatasetError(
            f"problem {block.problem_id} has {got[0]} source tokens at first and {got[1]} generated ones in "
            f"attention, and in tokens {'is not there' if said is None else f'{said[0]} and {said[1]}'}"
        )
    weights = block.weights.astype(np.float32)
    sums = weights.sum(axis=-1)
    if not (np.isfinite(sums).all() and (weights >= 0).all() and (np.abs(sums - 1) <= OFF).all()):
        where = f"layer {block.layer}, head {block.head} of problem {block.problem_id}"
        raise BadSignalError(f"the weights of a generated token are shares that sum to 1; those of {where} do not")


def _compute(block: Weights, params: IafParams) -> dict[str, Half]:
    """Return each signal of one head over one problem, by its dataset's name."""
    attention = block.weights.astype(np.float32)[None, None]
    is_input = np.arange(attention.shape[-1])[None] < block.n_first
    is_source = np.ones_like(is_input)
    if params.sink == "exclude":
        is_input[:, 0] = is_source[:, 0] = False
    signals = {
        ENTROPY.name: attention_entropy(attention),
        CONNECTIVITY.name: effective_sources(attention),
        RECEIVED.name: received_attention(attention),
        DIVERGENCE.name: window_divergence(attention, params.window),
        IAF.name: attended_fraction(attention, is_input, is_source),
    }
    return {name: value[0, 0].astype(np.float16) for name, value in signals.items()}


def summarize_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    """Count one chunk.

    Returns:
        A tally (`mycelium.stats.Tally`): ``problems``; ``tokens``; and ``traces``: a head over a problem.
    """
    iaf = tables[-1]
    n_heads = len(iaf.column_names) - len(IAF.columns)
    starts = pc.sum(pc.equal(iaf["t"], 0)).as_py() or 0
    n_layers = pc.count_distinct(iaf["layer"]).as_py()
    tally = Tally()
    tally.add("problems", count=starts // max(n_layers, 1))
    tally.add("tokens", count=iaf.num_rows // max(n_layers, 1))
    tally.add("traces", count=starts * n_heads)
    return tally.table()


def conclude_counts(total: pa.Table, params: IafParams) -> Result:
    """Return how many problems, generated tokens and traces there were."""
    del params
    return {"read": [dict(zip(total["name"].to_pylist(), total["count"].to_pylist(), strict=True))]}


STAGE = Stage(
    name="iaf",
    version=1,
    summary="compute the signals from the attention itself, of the heads that it was written for",
    reads=(TOKENS, ATTENTION),
    writes=WRITES,
    params=IafParams(),
    map=map_matrices,
    summarize=summarize_chunk,
    reduce=add_tallies,
    conclude=conclude_counts,
    memory_mb=3008,
    timeout_s=900,
    requires=("numpy", "pyarrow", "msgspec", "array-api-compat"),
)
