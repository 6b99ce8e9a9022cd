"""A run as four workers would have left it: chunks of two datasets, records of some, and no manifest."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pytest

from mycelium.datasets import IAF, PROBLEMS, TOKENS
from mycelium.fleet.records import outcome_key, put_record
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest
from mycelium.schema import Dataset, Header, Provenance, chunk_key, encode_chunk, head_column
from mycelium.store import MemoryStore
from tests.builders import build_run, make_problems

RUN = "math-aaaaaaaaaaaa"
UNTAUGHT = Provenance("math", "MATH")
TAUGHT = Provenance("math", "MATH", "teacher@0123456789ab")


@dataclass
class Written:
    """What is in the store."""

    store: MemoryStore
    problems: Manifest

    def write(
        self,
        chunk_id: str,
        dataset: Dataset,
        ids: list[str],
        change: Callable[[Header], Header] = lambda header: header,
        skipped: tuple[str, ...] = (),
    ) -> ObjectRef:
        """Write a chunk, in place of the one that is there."""
        ref = self.problems.chunks(PROBLEMS.name)[chunk_id]
        header = Header(
            dataset.name, 1, chunk_id, TAUGHT, "extract v1", {"sink": "keep"}, {ref.key: ref.sha256}, len(ids)
        )
        table = make_tokens(ids, skipped) if dataset is TOKENS else make_iaf([i for i in ids if i not in skipped])
        data = encode_chunk(dataset, table, change(header))
        key = chunk_key(dataset, RUN, chunk_id)
        self.store.put(key, data, mode="overwrite")
        return ObjectRef(dataset.name, key, len(data), digest(data))

    def write_both(self, chunk_id: str, ids: list[str], *, skipped: tuple[str, ...] = (), record: bool = True) -> None:
        """Write a chunk of both datasets, and the record of it."""
        refs = tuple(self.write(chunk_id, dataset, ids, skipped=skipped) for dataset in (TOKENS, IAF))
        outcome = Outcome(
            chunk_id,
            "done",
            refs,
            n_input=len(ids),
            n_output=2 * (len(ids) - len(skipped)),
            n_problems=len(ids) - len(skipped),
            started_s=100.0 + int(chunk_id),
            wall_s=1.0,
        )
        if record:
            put_record(self.store, outcome_key(RUN, chunk_id), outcome)


def make_tokens(ids: list[str], skipped: tuple[str, ...] = ()) -> pa.Table:
    """Make rows of `tokens`, seven generated tokens each."""
    rows = {
        "problem_id": ids,
        "level": [1] * len(ids),
        "n_input": [5] * len(ids),
        "n_generated": [7] * len(ids),
        "tokens": [["x"] * 7] * len(ids),
        "skipped": ["too long" if i in skipped else None for i in ids],
    }
    return pa.table(rows, schema=TOKENS.arrow_schema())


def make_iaf(ids: list[str]) -> pa.Table:
    """Make rows of `iaf`, two for each problem."""
    n = 2 * len(ids)
    rows = {
        "layer": [0] * n,
        "problem_id": pa.array([i for i in ids for _ in range(2)], pa.string()).dictionary_encode(),
        "level": pa.array([1] * n, pa.int8()),
        "t": [0, 1] * len(ids),
        head_column(0): pa.array([0.5] * n, pa.float16()),
    }
    return pa.table(rows).cast(IAF.arrow_schema(1))


@pytest.fixture
def written() -> Written:
    """Four chunks of three problems, whole; the last one's worker was killed before it wrote its record."""
    store = MemoryStore()
    table = make_problems(12)
    tables = [table.slice(i * 3, 3) for i in range(4)]
    problems = build_run(store, tables, PROBLEMS, "math-bbbbbbbbbbbb", provenance=UNTAUGHT).manifest
    made = Written(store, problems)
    for i in range(4):
        made.write_both(f"{i:05d}", ids_of(i), skipped=("q1",) if i == 0 else (), record=i < 3)
    return made


def ids_of(chunk: int) -> list[str]:
    """Return the problems of a chunk."""
    return [f"q{3 * chunk + i}" for i in range(3)]


def of(**changes: object) -> Callable[[Header], Header]:
    """Return what changes a header."""
    return lambda header: replace(header, **changes)  # type: ignore[arg-type]
