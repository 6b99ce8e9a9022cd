"""A small world whose templates are known: steps of five kinds, with embeddings that tell most of them apart."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lambdas.stages.labels import LABELS
from lambdas.stages.steps import STEPS, digest_expression
from mycelium.datasets import EMBEDDINGS, PROBLEMS
from mycelium.manifest import Manifest, write_manifest
from mycelium.schema import Provenance
from mycelium.stage import MADE_BY, Ask
from mycelium.store import Store
from mycelium.templates.answers import add_answers, answer_question
from mycelium.templates.params import TemplatesParams
from tests.builders import build_run, make_problems

KINDS = ("add", "binomial", "div", "mul", "sub")
DIMENSIONS = 6
ORIGIN = Provenance("math", "MATH")
SUBJECTS = ("Algebra", "Geometry")
PARAMS = TemplatesParams(min_size=10, k_max=8)

Tables = list[pa.Table]


def make_chunk(number: int, n_problem: int = 8, n_step: int = 6, *, blank: float = 0.0, noise: float = 0.35) -> Tables:
    """Make the four tables of one chunk.

    Args:
        number: which chunk; it is the seed.
        n_problem: problems.
        n_step: steps of each.
        blank: share of steps that could not be read.
        noise: deviation of the embeddings about their kind's.
    """
    rng = np.random.default_rng(number)
    first = number * n_problem
    steps, labels, vectors = [], [], []
    for i in range(n_problem):
        for step in range(n_step):
            kind = int(rng.integers(len(KINDS)))
            known = rng.random() >= blank
            expression = f"{KINDS[kind]} {rng.integers(40)}"
            name = {"problem_id": f"q{first + i}", "level": i % 5 + 1, "step": step}
            digest = digest_expression(expression)
            place = {"index": first + i, "start": 10 * step, "end": 10 * step + len(expression), "kind": "dollar"}
            lists: dict[str, object] = {"operands": [], "origins": [], "sources": [], "results": []}
            steps.append({**name, **place, **lists, "expression": expression, "digest": digest, "refusal": None})
            label = KINDS[kind] if known else None
            bears = {"labels": ["eq", label] if label else [], "primary": label, "root": "eq" if label else None}
            labels.append({**name, **bears, "digest": digest, "refusal": None if label else "unclosed"})
            center = np.zeros(DIMENSIONS)
            center[kind] = 1.0
            vectors.append((center + rng.normal(0, noise, DIMENSIONS)).astype(np.float16))
    problems = make_problems(n_problem)
    ids = [f"q{first + i}" for i in range(n_problem)]
    problems = problems.set_column(0, problems.schema.field(0), pa.array(ids))
    subjects = [SUBJECTS[i % 2] for i in range(n_problem)]
    at = problems.schema.get_field_index("subject")
    problems = problems.set_column(at, problems.schema.field(at), pa.array(subjects))
    embeddings = {
        "problem_id": [row["problem_id"] for row in steps],
        "step": [row["step"] for row in steps],
        "embedding": vectors,
    }
    return [
        problems,
        pa.Table.from_pylist(steps, schema=STEPS.arrow_schema()),
        pa.Table.from_pylist(labels, schema=LABELS.arrow_schema()),
        mark(pa.table(embeddings, schema=EMBEDDINGS.arrow_schema())),
    ]


def mark(embeddings: pa.Table, model: str = "test") -> pa.Table:
    """Say what made the embeddings, as a task does for a stage with a fit."""
    return embeddings.replace_schema_metadata(
        {MADE_BY: msgspec.json.encode([f"{model} v1", {"dimensions": DIMENSIONS}])}
    )


def set_vectors(tables: Tables, vectors: Sequence[Sequence[float]]) -> Tables:
    """Return a chunk with other embeddings."""
    old = tables[3]
    column = pa.array([np.asarray(vector, np.float16) for vector in vectors], pa.list_(pa.float16()))
    table = old.set_column(2, EMBEDDINGS.arrow_schema().field(2), column)
    return [*tables[:3], table.replace_schema_metadata(old.schema.metadata)]


def ask_here(chunks: Sequence[Tables], params: TemplatesParams = PARAMS, kinds: list[str] | None = None) -> Ask:
    """Return what puts a question to some chunks in this process, and writes down which kind it was."""

    def ask(question: pa.Table) -> pa.Table:
        if kinds is not None:
            kinds.append(question["kind"][0].as_py())
        return add_answers([answer_question([*tables, question], params) for tables in chunks])

    return ask


def recut(chunks: Sequence[Tables], n: int) -> list[Tables]:
    """Cut the same steps into other chunks, at problems."""
    problems, steps, labels, embeddings = (pa.concat_tables(tables) for tables in zip(*chunks, strict=True))
    ids = problems["problem_id"].to_pylist()
    out = []
    for part in np.array_split(np.arange(len(ids)), n):
        chosen = pa.array([ids[i] for i in part])
        out.append([t.filter(pc.is_in(t["problem_id"], chosen)) for t in (problems, steps, labels, embeddings)])
    return out


def build_world(store: Store, chunks: Sequence[Tables], name: str = "math") -> dict[str, Manifest]:
    """Write chunks as the runs that the stage reads, as if each was made of the one before."""
    of = Provenance(name, ORIGIN.origin)
    problems, steps = f"problems/{name}-{'a' * 12}", f"steps/{name}-{'b' * 12}"
    runs: dict[str, Manifest] = {}
    for place, (dataset, digit, inputs) in enumerate(
        ((PROBLEMS, "a", ()), (STEPS, "b", (problems,)), (LABELS, "c", (steps,)), (EMBEDDINGS, "d", (steps,)))
    ):
        tables = [tables[place].replace_schema_metadata(None) for tables in chunks]
        built = build_run(store, tables, dataset, f"{name}-{digit * 12}", provenance=of).manifest
        runs[dataset.name] = replace(built, stage=dataset.name, inputs=inputs)
        write_manifest(store, runs[dataset.name], (dataset,))
    return runs
