"""The datasets that no function of Lambda writes: what `ingest` and the GPU machines leave in the store.

Every other dataset stands in the file of the stage that writes it, and whoever reads it imports it from there.
"""

import pyarrow as pa

from mycelium.schema import Column, Dataset

PROBLEMS = Dataset(
    name="problems",
    version=1,
    meaning="a problem with one chain of thought",
    columns=(
        Column("problem_id", pa.string(), "unique in the run"),
        Column("index", pa.int64(), "place in the run, from 0: what --start-idx counts"),
        Column("problem", pa.string(), "the problem's text"),
        Column("chain_of_thought", pa.string(), "the solution, step by step, that the teacher is made to read"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("subject", pa.string(), "field of mathematics", nullable=True),
        Column("answer", pa.string(), "final answer", nullable=True),
        Column("author", pa.string(), "who wrote the chain of thought: a model's name", nullable=True),
    ),
)

TOKENS = Dataset(
    name="tokens",
    version=1,
    meaning="a problem as the teacher saw it, or the reason why it did not",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("n_input", pa.int32(), "tokens of the prompt, template and first token included"),
        Column("n_generated", pa.int32(), "tokens of the chain of thought"),
        Column("tokens", pa.list_(pa.string()), "the text of each generated token, in order; empty if skipped"),
        Column("skipped", pa.string(), "why the teacher could not read it; null if it did", nullable=True),
    ),
)

_KEYS = (
    Column("layer", pa.int16(), "layer, from 0"),
    Column("problem_id", pa.dictionary(pa.int32(), pa.string()), "as in `problems`"),
    Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
)
_TOKEN = Column("t", pa.int32(), "place among the generated tokens, from 0")


def _make_signal(name: str, meaning: str, place: Column = _TOKEN) -> Dataset:
    return Dataset(
        name=name,
        version=1,
        meaning=meaning,
        columns=(*_KEYS, place),
        head_type=pa.float16(),
        row_group_by="layer",
    )


IAF = _make_signal("iaf", "a generated token in one layer; a column for each head's input attention fraction, 0 to 1")

ENTROPY = _make_signal(
    "entropy", "a generated token in one layer; a column for the entropy of each head's attention, nats, 0 or more"
)

CONNECTIVITY = _make_signal(
    "connectivity",
    "a generated token in one layer; a column for the effective number of sources of each head's attention, 1 or more",
)

DIVERGENCE = _make_signal(
    "divergence",
    "a generated token in one layer; a column for each head's divergence between the windows before and from it on, "
    "bits, 0 to 1; 0 where a window would reach over an end",
)

RECEIVED = _make_signal(
    "received",
    "a source token in one layer; a column for the attention that each head's generated tokens give it, in all",
    Column("s", pa.int32(), "place among all tokens, those of the prompt first, from 0; the last is no source"),
)

ATTENTION = Dataset(
    name="attention",
    version=1,
    meaning="one head's attention as it produces one generated token; heads and layers are those asked for",
    columns=(
        Column("layer", pa.int16(), "layer, from 0"),
        Column("head", pa.int16(), "attention head, from 0"),
        Column("problem_id", pa.dictionary(pa.int32(), pa.string()), "as in `problems`"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        _TOKEN,
        Column(
            "weights",
            pa.list_(pa.float16()),
            "the share that each source token gets, from the first of the prompt to the generated token before",
        ),
    ),
    row_group_by="layer",
)

EMBEDDINGS = Dataset(
    name="embeddings",
    version=1,
    meaning="a step as a vector; the parameters of the run say by what model and of which text",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("step", pa.int32(), "as in `steps`, whose rows these are, in order"),
        Column("embedding", pa.list_(pa.float16()), "the vector; as long as all others of the run, without NaN"),
    ),
)

GPU_WRITTEN: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (TOKENS, IAF, ENTROPY, CONNECTIVITY, DIVERGENCE, RECEIVED, ATTENTION, EMBEDDINGS)
}
"""Those that a GPU machine may write, by name: all but the problems."""
