"""How the problems are dealt out, how long that takes and what it costs: nothing is started for it.

The work of a problem is its tokens, as a run of `tokens` over the same problems counted them; where there is none yet,
its characters stand in for them, which for one collection of problems are in near proportion.
"""

from dataclasses import dataclass
from typing import IO, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from mycelium.datasets import IAF, PROBLEMS, TOKENS
from mycelium.errors import ChunkDamagedError
from mycelium.fleet.chunks import first_problems
from mycelium.fleet.shards import Shard, cut_shards
from mycelium.manifest import Manifest, list_runs, read_manifest
from mycelium.schema import Dataset, Selection, decode_chunk
from mycelium.store import RangeReader, Store

Unit = Literal["tokens", "characters"]
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one machine would do, if all are as fast.

    Attributes:
        worker: the machine, from 0.
        share: its range of problems, as `extract --start-idx --end-idx` takes it.
        shards: the shards that the range is cut into.
        n_chunks: chunks that begin in the range.
    """

    worker: int
    share: Shard
    shards: tuple[Shard, ...]
    n_chunks: int


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A job dealt out.

    Attributes:
        problems: the run of problems.
        unit: what work is counted in.
        allocations: one for each machine that has something to do.
        rate: problems per second of one machine; None if nobody knows.
        rate_source: who says so.
        prices: US dollars per machine and hour, ``on-demand`` and ``spot``; empty if they are not known.
    """

    problems: Manifest
    unit: Unit
    allocations: tuple[Allocation, ...]
    rate: float | None
    rate_source: str
    prices: dict[str, float]

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Every shard in which a chunk begins, numbered in order of index."""
        cut = [shard for allocation in self.allocations for shard in allocation.shards]
        firsts = np.array([first for first, _ in first_problems(self.problems).values()])
        kept = [shard for shard in cut if np.any((firsts >= shard.start) & (firsts <= shard.end))]
        return tuple(Shard(i, shard.start, shard.end, shard.weight) for i, shard in enumerate(kept))

    @property
    def n_problems(self) -> int:
        """How many problems there are."""
        return sum(allocation.share.n_problems for allocation in self.allocations)

    def hours(self, allocation: Allocation) -> float | None:
        """Return how long a machine reads; starting it and loading the teacher are left out."""
        if not self.rate:
            return None
        total = sum(other.share.weight for other in self.allocations)
        share = allocation.share.weight / total if total else 1 / len(self.allocations)
        return self.n_problems * share / self.rate / HOUR_S


def plan_fleet(
    store: Store,
    problems: Manifest,
    workers: int,
    shards_per_worker: int,
    *,
    rate: float | None = None,
    prices: dict[str, float] | None = None,
) -> FleetPlan:
    """Deal a run of problems out to machines.

    Args:
        store: where it is.
        problems: its manifest.
        workers: how many machines.
        shards_per_worker: into how many shards each one's range is cut: the more, the less waits for one machine.
        rate: problems per second of one machine, if the user knows; measured in an earlier run otherwise.
        prices: US dollars per machine and hour.

    Raises:
        UserInputError: a number is out of range.
        ChunkDamagedError: a chunk of problems does not hold what its manifest says.
    """
    weights, unit = weigh_problems(store, problems)
    firsts = np.array([first for first, _ in first_problems(problems).values()])
    allocations = []
    for share in cut_shards(weights, workers):
        inner = cut_shards(weights[share.start : share.end + 1], shards_per_worker)
        shards = tuple(
            Shard(shard.number, share.start + shard.start, share.start + shard.end, shard.weight) for shard in inner
        )
        n_chunks = int(((firsts >= share.start) & (firsts <= share.end)).sum())
        allocations.append(Allocation(share.number, share, shards, n_chunks))
    measured, source = (rate, "given") if rate else measure_rate(store)
    return FleetPlan(problems, unit, tuple(allocations), measured, source, prices or {})


def weigh_problems(store: Store, problems: Manifest) -> tuple[npt.NDArray[np.int64], Unit]:
    """Return the work of each problem in order of index; one chunk is in memory at a time.

    Raises:
        ChunkDamagedError: a chunk does not hold what its manifest says.
    """
    tokens = _find_tokens(store, problems)
    counted, dataset = (problems, PROBLEMS) if tokens is None else (tokens, TOKENS)
    refs = counted.chunks(dataset.name)
    parts = []
    for chunk_id, (_, n_problems) in first_problems(problems).items():
        if chunk_id not in refs:
            raise ChunkDamagedError(f"run {problems.run_id} has no chunk {chunk_id}: ingest it again")
        part = _weigh_chunk(store, refs[chunk_id].key, refs[chunk_id].size, dataset)
        if len(part) != n_problems:
            raise ChunkDamagedError(
                f"{refs[chunk_id].key} has {len(part)} problems, and the manifest says {n_problems}"
            )
        parts.append(part)
    return np.concatenate(parts or [np.zeros(0, np.int64)]), "characters" if tokens is None else "tokens"


def _weigh_chunk(store: Store, key: str, size: int, dataset: Dataset) -> npt.NDArray[np.int64]:
    columns = ("problem", "chain_of_thought") if dataset is PROBLEMS else ("n_input", "n_generated")
    with RangeReader(store, key, size) as reader:
        table, _ = decode_chunk(cast("IO[bytes]", reader), dataset, Selection(columns))
    counts = [pc.utf8_length(table[name]) if dataset is PROBLEMS else table[name] for name in columns]
    total: npt.NDArray[np.int64] = sum(count.to_numpy().astype(np.int64) for count in counts)
    return total


def _find_tokens(store: Store, problems: Manifest) -> Manifest | None:
    """Return the latest complete run of `tokens` over these problems, whoever the teacher was; None without one."""
    wanted = f"{PROBLEMS.name}/{problems.run_id}"
    runs = [read_manifest(store, *run) for run in list_runs(store, TOKENS.name)]
    runs = [
        run for run in runs if run.complete and wanted in run.inputs and len(run.chunks(TOKENS.name)) == run.n_chunks
    ]
    return max(runs, key=lambda run: (run.finished_s, run.run_id), default=None)


def measure_rate(store: Store) -> tuple[float | None, str]:
    """Return the problems per second of one machine in the run of `iaf` that was finished last, and which that was."""
    runs = [read_manifest(store, *run) for run in list_runs(store, IAF.name)]
    for run in sorted(runs, key=lambda run: (run.finished_s, run.run_id), reverse=True):
        done = [outcome for outcome in run.outcomes if outcome.status == "done" and outcome.wall_s > 0]
        seconds = sum(outcome.wall_s for outcome in done)
        if seconds:
            return sum(outcome.n_input for outcome in done) / seconds, f"measured in {IAF.name}/{run.run_id}"
    return None, "not known: give --rate, or extract a few problems first"
