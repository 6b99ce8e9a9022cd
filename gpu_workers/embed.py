"""Embedding: the stage that turns each step into a vector, `steps` and `problems` to `embeddings`.

The vector is the mean over a text's tokens of a model's last hidden states, in float32, stored in float16. Each
distinct text is read once in a run of this process, however many steps have it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from transformers import AutoModel

from gpu_workers.batching import cut_batches
from gpu_workers.halving import run_halving
from gpu_workers.loading import Loaded, load_pretrained
from lambdas.stages.steps import STEPS
from mycelium.datasets import EMBEDDINGS, PROBLEMS
from mycelium.errors import BadSignalError, ModelError, UserInputError
from mycelium.hint import say_command
from mycelium.labels.context import Place, write_contexts, write_mathematics
from mycelium.schema import Result, Row, Selection
from mycelium.stage import Stage

Vector = npt.NDArray[np.float16]

BATCH_TOKENS = 16_384
"""Tokens of one forward pass, padding included."""
KEPT_BYTES = 1 << 30
"""Vectors remembered for texts that come again; past it the oldest are forgotten."""
WITHOUT_LIMIT = 1 << 20
"""A tokenizer or configuration that states no limit states one beyond this."""


@dataclass(frozen=True, slots=True)
class EmbedParams:
    """What decides the vectors, beside the steps.

    Attributes:
        model: name and digest of the model.
        text: ``full`` or ``mathematics``: see `mycelium.labels.context`.
        dtype: the precision of the model.
    """

    model: str
    text: str = "mathematics"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.text not in {"full", "mathematics"}:
            raise UserInputError(f"text is full or mathematics; got {self.text!r}")


@dataclass(slots=True)
class Embedder:
    """A model that turns texts into vectors, and remembers those it has read.

    Attributes:
        identity: name and digest of the model.
        max_tokens: a longer text is cut there, and counted.
        counts: since the start: ``steps`` asked for, ``texts`` read, their ``tokens``, texts ``cut``.
    """

    _model: Any
    _tokenizer: Any
    identity: str
    batch_tokens: int = BATCH_TOKENS
    max_tokens: int = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    _kept: dict[str, Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the model's limit, and take the encoder alone of a model that has one."""
        config = self._model.config
        if getattr(config, "is_encoder_decoder", False):
            self._model = self._model.get_encoder()
        stated = (getattr(config, "max_position_embeddings", None), getattr(self._tokenizer, "model_max_length", None))
        self.max_tokens = min([int(limit) for limit in stated if limit and limit < WITHOUT_LIMIT] or [WITHOUT_LIMIT])

    @property
    def device_type(self) -> str:
        """``cpu`` or ``cuda``."""
        return str(self._model.device.type)

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text; equal texts are read once.

        Each is the mean of the last hidden states over the text's tokens, those that the tokenizer adds by itself
        included, and padding left out; NaN where the model says NaN.

        Returns:
            Arrays of shape (dimensions,), float16.
        """
        self.counts["steps"] += len(texts)
        found = {text: self._kept[text] for text in set(texts) if text in self._kept}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            ids = self._encode(new)
            for batch in cut_batches([len(row) for row in ids], self.batch_tokens):
                vectors = run_halving([ids[i] for i in batch], self._read)
                found.update(zip((new[i] for i in batch), vectors, strict=True))
            self._keep({text: found[text] for text in new})
        return [found[text] for text in texts]

    def _encode(self, texts: list[str]) -> list[list[int]]:
        coded: list[list[int]] = self._tokenizer(texts, verbose=False)["input_ids"]
        self.counts["texts"] += len(texts)
        self.counts["cut"] += sum(len(row) > self.max_tokens for row in coded)
        coded = [row[: self.max_tokens] for row in coded]
        self.counts["tokens"] += sum(map(len, coded))
        return coded

    @torch.inference_mode()
    def _read(self, rows: Sequence[list[int]]) -> list[Vector]:
        device = self._model.device
        longest = max(1, *map(len, rows))
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        is_real = torch.zeros((len(rows), longest), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
            is_real[i, : len(row)] = 1
        is_real = is_real.to(device)
        states = self._model(input_ids=ids.to(device), attention_mask=is_real).last_hidden_state.float()
        weights = is_real.unsqueeze(-1)
        # A masked-out state may be anything, NaN too: it is replaced, and not multiplied by nought.
        summed = torch.where(weights.bool(), states, 0.0).sum(dim=1)
        return list((summed / weights.sum(dim=1)).half().cpu().numpy())

    def _keep(self, new: dict[str, Vector]) -> None:
        self._kept.update(new)
        each = len(next(iter(new.values()))) * 2 + 500  # a text, its place in the table and the array's own frame
        while len(self._kept) * each > KEPT_BYTES:
            del self._kept[next(iter(self._kept))]


def load_embedder(
    name: str, *, device: str | None = None, dtype: str | None = None, batch_tokens: int = BATCH_TOKENS
) -> Embedder:
    """Load a model of any architecture, from a folder or by its name on the hub.

    Raises:
        ModelError: there is no such model, it can't be read, or it gives no last hidden state.
    """
    loaded: Loaded = load_pretrained(name, AutoModel, device=device, dtype=dtype, unused=("pooler.",))
    embedder = Embedder(loaded.model, loaded.tokenizer, loaded.identity, batch_tokens)
    try:
        embedder.embed(["1"])
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"model {name} gives no last hidden state for a text: {error}") from error
    embedder.counts.clear()
    return embedder


def make_stage(embedder: Embedder | None, params: EmbedParams) -> Stage[EmbedParams]:
    """Return the stage `embed` over a model; without one it can be planned and described, and not run.

    It reads `problems` for the text around the steps, and not for the mathematics alone. Batches are no parameter of
    the run: they change speed and memory, and of the values no more than the last bit of a rounding.
    """

    def map_steps(tables: Sequence[pa.Table], chosen: EmbedParams) -> list[pa.Table]:
        if embedder is None:
            raise UserInputError(f"stage embed needs a model: run it by `{say_command('gpu_workers embed')}`")
        return [embed_chunk(tables[0], tables[1] if chosen.text == "full" else None, embedder)]

    return Stage(
        name="embed",
        version=1,
        summary="turn each step into the mean of a language model's last hidden states",
        reads=(STEPS, PROBLEMS) if params.text == "full" else (STEPS,),
        writes=(EMBEDDINGS,),
        params=params,
        map=map_steps,
        summarize=summarize_vectors,
        reduce=add_vectors,
        conclude=conclude_vectors,
        select=select_places,
    )


def select_places(params: EmbedParams) -> Selection:
    """Read where the steps stand and what they say."""
    del params
    return Selection(columns=("problem_id", "step", "start", "end", "kind", "expression"))


def embed_chunk(steps: pa.Table, problems: pa.Table | None, embedder: Embedder) -> pa.Table:
    """Turn the steps of one chunk into vectors.

    Args:
        steps: rows of `steps`.
        problems: rows of `problems`; None where the mathematics alone is read.
        embedder: who reads the texts.

    Returns:
        A table of `embeddings`, a row for each of `steps`, in their order.

    Raises:
        BadSignalError: a vector holds NaN or leaves the range of float16; the message names the step.
    """
    rows = steps.to_pylist()
    texts = _write_texts(rows, problems)
    vectors = embedder.embed(texts)
    for row, vector in zip(rows, vectors, strict=True):
        if not np.isfinite(vector).all():
            what = "is NaN" if np.isnan(vector).any() else "is beyond the range of float16"
            raise BadSignalError(f"the embedding of step {row['step']} of problem {row['problem_id']} {what}")
    size = len(vectors[0]) if vectors else 0
    values = np.concatenate(vectors) if vectors else np.zeros(0, np.float16)
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * size)
    columns = [steps["problem_id"], steps["step"], pa.ListArray.from_arrays(offsets, pa.array(values))]
    return pa.table(columns, names=EMBEDDINGS.arrow_schema().names).cast(EMBEDDINGS.arrow_schema())


def _write_texts(rows: list[Row], problems: pa.Table | None) -> list[str]:
    if problems is None:
        return [write_mathematics(str(row["expression"])) for row in rows]
    chains = dict(zip(problems["problem_id"].to_pylist(), problems["chain_of_thought"].to_pylist(), strict=True))
    texts: list[str] = []
    for problem_id, group in groupby(rows, key=lambda row: row["problem_id"]):
        places = [Place(row["start"], row["end"], row["kind"]) for row in group]  # type: ignore[arg-type] # columns
        texts += write_contexts(chains[problem_id], places)
    return texts


def summarize_vectors(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the sums of one chunk: steps, and how many different vectors they have."""
    (table,) = tables
    distinct = {vector.values.to_numpy().tobytes() for vector in table["embedding"]}
    longest = pc.max(pc.list_value_length(table["embedding"])).as_py() or 0
    sums = {"steps": table.num_rows, "distinct": len(distinct), "dimensions": longest}
    return pa.table({name: pa.array([value], pa.int64()) for name, value in sums.items()})


def add_vectors(parts: Sequence[pa.Table]) -> pa.Table:
    """Add parts."""
    how = [("steps", "sum"), ("distinct", "sum"), ("dimensions", "max")]
    total = pa.concat_tables(parts).group_by([], use_threads=False).aggregate(how)
    return total.rename_columns([name for name, _ in how])


def conclude_vectors(total: pa.Table, params: EmbedParams) -> Result:
    """Return steps, the sum over chunks of their different vectors, and the length of a vector."""
    del params
    return {"embedded": total.to_pylist()}
