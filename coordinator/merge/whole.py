"""The whole of a run: the union of its chunks held against the index space, and the manifest that says it is."""

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from coordinator.merge.chunk import Source, check_chunk
from coordinator.merge.claims import find_claim
from mycelium.datasets import GPU_WRITTEN, PROBLEMS
from mycelium.errors import ChunkError
from mycelium.fleet.chunks import first_problems
from mycelium.fleet.records import Claim
from mycelium.manifest import Manifest, Outcome, find_run, write_manifest
from mycelium.progress import show_progress
from mycelium.schema import Result, Row
from mycelium.store import Store
from mycelium.version import code_version

EXECUTOR = "fleet"
"""What the manifest calls the many machines."""

N_NAMED = 20
"""Problems that could not be read, named in the manifest with the reason; `tokens` has them all."""


@dataclass(slots=True)
class Merge:
    """What a merge found.

    Attributes:
        run_id: the run.
        datasets: what it wrote.
        n_chunks: chunks that there should be.
        n_problems: problems that there should be.
        manifest: what was written; None if something was wrong.
        faults: what was, each in one line.
        hashed: chunks that nobody left a record of, so that their bytes were read.
    """

    run_id: str
    datasets: tuple[str, ...]
    n_chunks: int = 0
    n_problems: int = 0
    manifest: Manifest | None = None
    faults: list[str] = field(default_factory=list)
    hashed: int = 0


@dataclass(slots=True)
class Sums:
    """What was read of all, as the stage's own reduce concludes it; which lives where torch does."""

    problems: int = 0
    skipped: int = 0
    tokens: int = 0
    why: list[tuple[str, str]] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """Add the columns problem_id, n_generated and skipped of one chunk of `tokens`."""
        was_read = table["skipped"].is_null()
        self.problems += pc.sum(was_read).as_py() or 0
        self.tokens += pc.sum(table["n_generated"].filter(was_read)).as_py() or 0
        left_out = table.filter(pc.invert(was_read))
        self.skipped += left_out.num_rows
        pairs = zip(left_out["problem_id"].to_pylist(), left_out["skipped"].to_pylist(), strict=True)
        self.why = heapq.nsmallest(N_NAMED, [*self.why, *pairs])

    def conclude(self) -> Result:
        """Return what the manifest keeps."""
        read: Row = {"problems": self.problems, "skipped": self.skipped, "tokens": self.tokens}
        why: list[Row] = [{"problem_id": problem_id, "reason": reason} for problem_id, reason in self.why]
        return {"read": [read], "skipped": why}


def merge_run(
    store: Store,
    reference: str,
    *,
    verify: bool = False,
    quiet: bool = False,
    clock: Callable[[], float] = time.time,
) -> Merge:
    """Check the chunks that many workers wrote, and write the run's manifest if they are whole and of one kind.

    Args:
        store: where they are.
        reference: a run id, ``dataset/run id``, the beginning of one, or a job's name.
        verify: read every byte, and do not trust the digests that the workers left.
        quiet: show no progress.
        clock: seconds since the epoch.

    Raises:
        UnknownRunError: no run answers to the reference, or its problems are gone.
        StoreNotAvailableError: the store can't be used.
    """
    claim = find_claim(store, reference)
    sources = find_sources(find_run(store, claim.problems, PROBLEMS.name))
    merge = Merge(claim.run_id, claim.datasets, len(sources), sum(source.n_problems for source in sources.values()))
    sizes = {dataset: list_sizes(store, dataset, claim.run_id) for dataset in claim.datasets}
    merge.faults += find_gaps(sources, sizes)
    sums, outcomes = Sums(), []
    whole = [chunk_id for chunk_id in sources if all(chunk_id in found for found in sizes.values())]
    with show_progress("merge", len(whole), quiet=quiet) as progress:
        for chunk_id in whole:
            of_chunk = {dataset: found[chunk_id] for dataset, found in sizes.items()}
            try:
                checked = check_chunk(store, claim, chunk_id, sources[chunk_id], of_chunk, verify=verify)
            except ChunkError as error:
                merge.faults.append(f"chunk {chunk_id}: {error}")
                progress.advance(failed=True)
                continue
            sums.add(checked.tokens)
            outcomes.append(checked.outcome)
            merge.hashed += checked.was_hashed
            progress.advance(count=checked.outcome.n_input)
    if not merge.faults:
        merge.manifest = make_manifest(claim, outcomes, sums, clock())
        write_manifest(store, merge.manifest, tuple(GPU_WRITTEN[name] for name in claim.datasets))
    return merge


def find_sources(problems: Manifest) -> dict[str, Source]:
    """Return every chunk of a run of problems, by chunk id."""
    refs = problems.chunks(PROBLEMS.name)
    return {
        chunk_id: Source(refs[chunk_id], first, n_problems)
        for chunk_id, (first, n_problems) in first_problems(problems).items()
    }


def list_sizes(store: Store, dataset: str, run_id: str) -> dict[str, int]:
    """Return the bytes of every chunk of a run, by chunk id."""
    return {
        info.key.rpartition("/")[2].removesuffix(".parquet"): info.size
        for info in store.list(f"{dataset}/{run_id}/")
        if info.key.endswith(".parquet")
    }


def find_gaps(sources: dict[str, Source], sizes: dict[str, dict[str, int]]) -> Iterator[str]:
    """Yield what is missing, as ranges of problems that can be typed again, and what should not be there."""
    for dataset, found in sizes.items():
        start = end = n_chunks = 0
        for chunk_id, source in [*sources.items(), (None, None)]:
            is_gap = chunk_id is not None and chunk_id not in found
            if source is not None and is_gap:
                start = source.first if not n_chunks else start
                end, n_chunks = source.first + source.n_problems - 1, n_chunks + 1
            elif n_chunks:
                yield f"{dataset} lacks problems {start} to {end} ({n_chunks} chunks)"
                n_chunks = 0
        foreign = sorted(found.keys() - sources.keys())
        if foreign:
            yield f"{dataset} has {len(foreign)} chunks that are of none of the problems, {foreign[0]} among them"


def make_manifest(claim: Claim, outcomes: list[Outcome], sums: Sums, now_s: float) -> Manifest:
    """Return the manifest of a run that is whole."""
    stage, _, version = claim.stage.partition(" v")
    started = min((outcome.started_s for outcome in outcomes if outcome.started_s), default=now_s)
    ended = max((outcome.started_s + outcome.wall_s for outcome in outcomes if outcome.started_s), default=now_s)
    return Manifest(
        run_id=claim.run_id,
        provenance=claim.provenance,
        stage=stage,
        stage_version=int(version),
        params=claim.params,
        commit=code_version(),
        executor=EXECUTOR,
        inputs=(f"{PROBLEMS.name}/{claim.problems}",),
        finished_s=now_s,
        wall_s=max(0.0, ended - started),
        complete=True,
        n_chunks=len(outcomes),
        outcomes=tuple(outcomes),
        result=sums.conclude(),
    )
