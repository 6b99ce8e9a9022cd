"""Which chunks a range of problems is, and which of them are written."""

from mycelium.manifest import Manifest
from mycelium.store import Store


def first_problems(problems: Manifest) -> dict[str, tuple[int, int]]:
    """Return, of each chunk of a run of problems, the index of its first problem and how many it has, in order."""
    found, total = {}, 0
    for outcome in sorted(problems.outcomes, key=lambda outcome: outcome.chunk_id):
        found[outcome.chunk_id] = (total, outcome.n_problems)
        total += outcome.n_problems
    return found


def chunks_between(problems: Manifest, start: int, end: int) -> list[str]:
    """Return the chunks of a range: those whose first problem is in it."""
    return [chunk_id for chunk_id, (first, _) in first_problems(problems).items() if start <= first <= end]


def written_chunks(store: Store, run_id: str, datasets: tuple[str, ...]) -> frozenset[str]:
    """Return the chunks of which a store holds the object of every dataset of a run."""
    per_dataset = [
        {
            info.key.rpartition("/")[2].removesuffix(".parquet")
            for info in store.list(f"{dataset}/{run_id}/")
            if info.key.endswith(".parquet")
        }
        for dataset in datasets
    ]
    return frozenset(set.intersection(*per_dataset))
