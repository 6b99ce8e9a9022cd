"""Our way to make templates, in a process of its own: `benchmarks.templates` starts this, as it starts the peers.

    python -m benchmarks.templates_ours FOLDER MIN_SIZE K [K …]
    python -m benchmarks.templates_ours chunks N_ROW

The first reads ``p_train`` and ``p_test`` and writes each k's templates; one line of JSON says what processor time the
whole hierarchy took, what polishing the levels asked for took beside, and how far the process grew beyond its data.
The second grows 30 templates of synthetic rows that come in chunks of 50,000 and are never all in memory.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mycelium.bottleneck.hierarchy import grow
from mycelium.bottleneck.polish import polish
from mycelium.bottleneck.rows import Question, Sums, accumulate, assign, in_memory, over_chunks, quantize

CHUNK = 50_000
N_LABEL = 34


def peak_mb(*, reset: bool = False) -> float:
    """Return the most memory this process held at once, MB; or forget it."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run(folder: Path, min_size: int, sizes: list[int]) -> None:
    """Grow the hierarchy, and polish some levels."""
    rows, test = np.load(folder / "p_train.npy"), np.load(folder / "p_test.npy")
    before_mb = peak_mb(reset=True)
    start = time.process_time()
    hierarchy = grow(in_memory(rows), rows.shape[1], max(sizes), min_size=min_size)
    grown_s = time.process_time() - start
    grown_mb = peak_mb() - before_mb
    answer: dict[str, object] = {"cpu_s": grown_s, "grown_mb": grown_mb, "k_max": len(hierarchy.levels)}
    for k in sizes:
        if k > len(hierarchy.levels):
            continue
        level = hierarchy.level(k)
        np.savez(folder / f"ids_{k}.npz", train=assign(rows, level.centroids), test=assign(test, level.centroids))
        start = time.process_time()
        better, ids = polish(rows, level, min_size=min_size)
        answer[f"polish_{k}_s"] = time.process_time() - start
        np.savez(folder / f"polished_{k}.npz", train=ids, test=assign(test, better.centroids))
    print(json.dumps(answer))


def draw_chunk(number: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Draw one chunk of synthetic posterior rows: sixty kinds, each about a distribution of its own."""
    kinds = np.random.default_rng(0).dirichlet(np.full(N_LABEL, 0.1), 60)
    generator = np.random.default_rng(number + 1)
    noise = generator.gamma(0.3, size=(CHUNK, N_LABEL)).astype(np.float32)
    rows = 0.8 * kinds[generator.integers(0, 60, CHUNK)] + 0.2 * noise / noise.sum(axis=1, keepdims=True)
    return quantize(rows)


def run_chunks(n_row: int) -> None:
    """Grow 30 templates of rows that are read chunk by chunk from a folder, for each pass anew."""
    import tempfile  # noqa: PLC0415 - only here

    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{number}.npy" for number in range(n_row // CHUNK)]
        for number, path in enumerate(paths):
            np.save(path, draw_chunk(number))
        asked = 0

        def ask(question: Question) -> Iterator[Sums]:
            nonlocal asked
            asked += 1
            for path in paths:
                yield accumulate(np.load(path), question)

        peak_mb(reset=True)
        start = time.process_time()
        hierarchy = grow(over_chunks(ask), N_LABEL, 30)
        cpu_s = time.process_time() - start
    answer = {"rows": n_row, "cpu_s": cpu_s, "passes": asked, "peak_mb": peak_mb()}
    print(json.dumps(answer | {"relevance": hierarchy.levels[-1].relevance}))


if __name__ == "__main__":
    if sys.argv[1] == "chunks":
        run_chunks(int(sys.argv[2]))
    else:
        run(Path(sys.argv[1]), int(sys.argv[2]), [int(k) for k in sys.argv[3:]])
