"""Templates beside every other way to make them, on real steps, in one run.

    python -m benchmarks.templates [--data ../shared/data] [--steps 5000 40000] [--labels 34]

Steps of MATH's reference solutions with their primary labels, by the stages `steps` and `labels`; the most frequent
labels, as many as `--labels` says (0 for all). A fifth of the problems is held out; nothing that is fitted sees it. At
N = 5,000, where one fifth is too few steps to tell methods apart, each fifth is held out in turn (`--splits`), and
figures are means. p(y|x) is estimated once, and given to each method that wants it. Each method runs in a process of
its own with one thread; CPU is from arrays to the templates of the training steps. Held-out information is H(Y) of the
steps held out less the cross-entropy of their labels under p(y|t) = (n_ty + p(y)) / (n_t + 1): Σ p(y|x) where a method
works on p(y|x), else counts of labels. The peers get an environment of their own.

Then: how far the process grows, shuffled labels, and rows by the million through the chunked path.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.layout import lay_out
from benchmarks.peers import install
from benchmarks.record import ROOT, add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from benchmarks.templates_data import BOTH, GRAMS, embed, read_steps
from mycelium.bottleneck.elbow import choose_k, count_templates, measure_stability, tabulate_gains
from mycelium.bottleneck.hierarchy import Level, grow
from mycelium.bottleneck.information import entropy
from mycelium.bottleneck.posterior import deal_groups, fit_posterior
from mycelium.bottleneck.rows import Weights, in_memory
from mycelium.bottleneck.targets import Targets, encode_labels

PACKAGES = ("scikit-learn==1.9.1", "sib-clustering==0.2.7", "numpy==2.4.6")
SIZES = (6, 16, 30, 60)
OURS, POLISHED, SIB = "ours", "ours, polished", "sib-clustering, 10 restarts, on p(y|x)"
PEERS = (
    "k-means on X",
    "the paper's splitting",
    "sib on one-hot Y",
    "LDA, k-means",
    "deterministic bottleneck on p(y|x)",
    "k-means on p(y|x)",
    SIB,
)
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SMALL = 10_000
Matrix = npt.NDArray[np.float32]
Group = npt.NDArray[np.intp]
Cells = dict[str, dict[int, dict[str, float]]]
Facts = dict[str, float]


def start(command: list[str | Path]) -> list[dict[str, Any]]:
    """Run one method in its own process, and return its lines."""
    answer = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        check=True,
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in answer.stdout.splitlines()]


def score(folder: Path, name: str, k: int, *, by_label: bool) -> dict[str, float]:
    """Return the held-out information of one method's templates, and that on the training steps."""
    ids = np.load(folder / f"{name}_{k}.npz")
    label, test = np.load(folder / "y_train.npy"), np.load(folder / "y_test.npy")
    rows = np.load(folder / "p_train.npy").astype(np.float64)
    if by_label:
        rows = np.eye(rows.shape[1])[label]
    sums = np.zeros((k, rows.shape[1]))
    np.add.at(sums, ids["train"], rows)
    prior = rows.mean(axis=0)
    spread = (sums + prior) / (sums.sum(axis=1, keepdims=True) + 1)
    seen = np.bincount(test, minlength=rows.shape[1]) / len(test)
    logs = np.log2(np.maximum(spread[ids["test"], test], 2.0**-25))
    return {"held_out": float(entropy(seen)) + float(logs.mean())}


def run_methods(folder: Path, python: Path, min_size: int, *, only_ours: bool) -> Cells:
    """Run every method on the arrays in the folder."""
    cells: Cells = {}
    (answer,) = start([sys.executable, "-m", "benchmarks.templates_ours", folder, str(min_size), *map(str, SIZES)])
    for name, stem in ((OURS, "ids"), (POLISHED, "polished")):
        cells[name] = {}
        for k in SIZES:
            if k > answer["k_max"]:
                continue
            cpu_s = answer["cpu_s"] + (answer[f"polish_{k}_s"] if name == POLISHED else 0)
            found = {"cpu_s": cpu_s, "grown_mb": answer["grown_mb"]}
            cells[name][k] = score(folder, stem, k, by_label=False) | found
    for name in () if only_ours else PEERS:
        lines = start([python, ROOT / "benchmarks" / "templates_peers.py", folder, name, *map(str, SIZES)])
        by_label = "p(y|x)" not in name
        cells[name] = {
            line["k"]: score(folder, "ids", line["k"], by_label=by_label) | {"cpu_s": line["cpu_s"]} for line in lines
        }
    return cells


def select(steps: list[dict[str, Any]], n_label: int, n_step: int) -> tuple[Group, Targets, Group]:
    """Keep the steps with the most frequent labels; of those, problems at random until there are steps enough."""
    most = [label for label, _ in Counter(step["label"] for step in steps).most_common(n_label or None)]
    keep = np.array([index for index, step in enumerate(steps) if step["label"] in set(most)])
    names, group = np.unique([steps[index]["problem"] for index in keep], return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    # A quarter more than asked for: that many are left for training.
    last = np.searchsorted(np.cumsum(np.bincount(group)[order]), n_step * 1.25)
    chosen = np.isin(group, order[: last + 1])
    keep, group = keep[chosen], group[chosen]
    return keep, encode_labels([[steps[index]["label"]] for index in keep]), group


def compare(
    features: Matrix, targets: Targets, group: Group, python: Path, splits: int, *, only_ours: bool
) -> tuple[list[Cells], Facts]:
    """Compare all methods on one set of steps, a fifth of the problems after the other held out."""
    folds = deal_groups(int(group.max()) + 1, 5, seed=1)[group]
    small = len(features) < SMALL
    rounds: list[Cells] = []
    facts: list[dict[str, float]] = []
    min_size = 5 if small else 50
    for fold in range(splits if small else 1):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        known = Targets(targets.names, targets.weights[train])
        posterior = fit_posterior(features[train], known, group[train])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = {"train": posterior.rows, "test": posterior.estimator.predict(features[test])}
            for part, index in (("train", train), ("test", test)):
                np.save(folder / f"x_{part}.npy", features[index])
                np.save(folder / f"p_{part}.npy", rows[part])
                np.save(folder / f"y_{part}.npy", targets.weights[index].argmax(axis=1))
            rounds.append(run_methods(folder, python, min_size, only_ours=only_ours))
        label = targets.weights[test].argmax(axis=1)
        seen = float(entropy(np.bincount(label) / len(label)))
        sure = np.log2(np.maximum(rows["test"][np.arange(len(label)), label], 2.0**-25, dtype=np.float64))
        facts.append(
            {
                "bound": seen + float(sure.mean()),
                "ece": posterior.quality.calibration_error,
                "entropy": seen,
                "n_train": len(train),
                "n_test": len(test),
                "min_size": min_size,
            }
        )
    return rounds, {name: statistics.mean(fact[name] for fact in facts) for name in facts[0]}


def gather(rounds: list[Cells], name: str, k: int, what: str) -> tuple[float, ...]:
    """Return what was found of one method at one k, once for each split."""
    return tuple(cells[name][k][what] for cells in rounds if k in cells.get(name, {}))


def total_s(rounds: list[Cells], name: str) -> tuple[float, ...]:
    """Return what a method took for all k, once for each split: our one hierarchy has them all."""
    if name == OURS:
        return gather(rounds, name, min(SIZES), "cpu_s")
    each = [gather(rounds, name, k, "cpu_s") for k in SIZES]
    return tuple(map(sum, zip(*(seconds for seconds in each if seconds), strict=True)))


def tabulate(embedding: str, n_step: int, rounds: list[Cells], facts: Facts) -> Table:
    """Return one comparison as a table: held-out bits of each method at each k, and what all of them took."""
    splits = f"{len(rounds)} fifths held out in turn" if len(rounds) > 1 else "one fifth held out"
    caption = (
        f"{embedding}: {facts['n_train']:,.0f} steps to fit, {facts['n_test']:,.0f} held out, {splits}, `min_size` "
        f"{facts['min_size']:.0f}; H(Y) {facts['entropy']:.2f}, bound {facts['bound']:.3f}; calibration error "
        f"{facts['ece']:.3f}; bits held out:"
    )
    rows: list[tuple[Cell, ...]] = []
    for name in [name for name in (*PEERS, POLISHED, OURS) if name in rounds[0]]:
        bits = [gather(rounds, name, k, "held_out") or None for k in SIZES]
        rows.append((name, *bits, total_s(rounds, name)))
    shares = [statistics.median(gather(rounds, OURS, k, "held_out")) / facts["bound"] for k in SIZES]
    rows.append(
        ("share of the bound, ours", *(f"{share:.0%}".replace("%", " %").replace("-", "−") for share in shares), None)
    )
    columns = (*(Column(f"k = {k}", form=".3f", best="most") for k in SIZES), Column("all four", "CPU s", form=".1f"))
    return Table(caption, columns, tuple(rows), f"{slug(embedding)}-{n_step}", "method", OURS, f"k = {SIZES[-1]}")


def slug(embedding: str) -> str:
    """Return an embedding's name as part of another."""
    return embedding.replace(" ", "-")


def quote(embedding: str, n_step: int, rounds: list[Cells]) -> list[Figure]:
    """Return the figures of one comparison: ours beside sib and beside the paper's splitting."""
    where, last = f"{n_step:,} steps, {embedding}", SIZES[-1]
    ours = gather(rounds, OURS, last, "held_out")
    found = []
    for key, peer in (("sib", SIB), ("paper", PEERS[1])):
        theirs = gather(rounds, peer, last, "held_out")
        what = f"held-out information at {last} templates, {where}"
        found.append(Figure(f"{key}-{slug(embedding)}-{n_step}", what, ours, "bits", peer, theirs, form=".3f"))
    least = min(
        statistics.median(gather(rounds, OURS, k, "held_out")) / statistics.median(gather(rounds, SIB, k, "held_out"))
        for k in SIZES
    )
    what = f"the same over that of {SIB}, the least of four k, {where}"
    found.append(Figure(f"least-{slug(embedding)}-{n_step}", what, least, form=".3f"))
    what = f"processor time, ours for 1 to {last} templates, sib for four k, {where}"
    took = total_s(rounds, SIB)
    found.append(Figure(f"time-{slug(embedding)}-{n_step}", what, total_s(rounds, OURS), "s", SIB, took, form=".1f"))
    return found


def find_elbow(features: Matrix, targets: Targets, group: Group, embedding: str) -> Table:
    """Return how many templates the thresholds and the labels give, and what shuffled labels give."""
    posterior = fit_posterior(features, targets, group)
    rows, n_label = posterior.rows, len(targets.names)
    hierarchy = grow(in_memory(rows), n_label, 100)
    choice = choose_k(hierarchy, rows, targets, group)

    def grow_again(weights: Weights) -> Level:
        return grow(in_memory(rows, weights), n_label, 30).levels[-1]

    stable = measure_stability(grow_again, rows, group, n_resample=3)
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = Targets(targets.names, targets.weights[order])
    nothing = fit_posterior(features, shuffled, group)
    levels = grow(in_memory(nothing.rows), n_label, 60)
    empty = choose_k(levels, nothing.rows, shuffled, group)
    caption = (
        f"{embedding}, {len(rows):,} steps: the labels bear out {choice.k} templates, splits beyond doubt up to "
        f"{choice.significant_k} of {len(hierarchy.levels)} levels; adjusted mutual information of 30 templates when "
        f"problems are drawn anew {statistics.mean(stable):.3f}; shuffled labels give {empty.k} (bound "
        f"{nothing.quality.bound:.4f} bits). Templates by thresholds on the gain of a split:"
    )
    counts = tuple(
        (f"{row.threshold:.2f} bits", row.paper, row.by_gain, row.by_local_gain, row.by_corrected_gain)
        for row in count_templates(tabulate_gains(hierarchy))
    )
    columns = tuple(map(Column, ("paper", "over all steps", "within the parent", "above the floor")))
    return Table(caption, columns, counts, f"thresholds-{slug(embedding)}")


def measure_chunks(sizes: list[int]) -> Table:
    """Return what rows that come in chunks take, by how many there are."""
    rows = []
    for n_row in sizes:
        (answer,) = start([sys.executable, "-m", "benchmarks.templates_ours", "chunks", str(n_row)])
        rows.append((f"{n_row:,}", answer["cpu_s"], answer["passes"], answer["peak_mb"]))
    columns = (Column("processor", "s"), Column("passes"), Column("peak", "MB"))
    return Table("Rows in chunks of 50,000, to 30 templates:", columns, tuple(rows), "chunks", "rows")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="Folder of the real data.")
    parser.add_argument("--steps", type=int, nargs="*", default=[5_000, 40_000], help="How many steps to fit to.")
    parser.add_argument("--labels", type=int, default=34, help="The most frequent labels only; 0 for all.")
    parser.add_argument("--embeddings", nargs="*", default=[GRAMS, BOTH], help="Which embeddings.")
    parser.add_argument("--splits", type=int, default=5, help="How many fifths are held out in turn below 10,000.")
    parser.add_argument("--only-ours", action="store_true", help="Leave the peers out.")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000], help="Rows in chunks.")
    add_out(parser)
    options = parser.parse_args()
    if any(os.environ.get(name) != number for name, number in ONE_THREAD.items()):
        # The libraries read how many threads they may have when they are loaded: once more, with one.
        command = [sys.executable, "-m", "benchmarks.templates", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **ONE_THREAD})  # noqa: S606 - this program again
    recording = begin("templates", options.out)
    steps = read_steps(options.data)
    python = install("templates", PACKAGES)
    tables: list[Table] = []
    figures: list[Figure] = []
    for n_step in options.steps:
        keep, targets, group = select(steps, options.labels, n_step)
        for name in options.embeddings:
            features = embed([steps[index]["expression"] for index in keep], name, python)
            rounds, facts = compare(features, targets, group, python, options.splits, only_ours=options.only_ours)
            tables.append(tabulate(name, n_step, rounds, facts))
            print("\n".join(map(str, lay_out(tables[-1]))), file=sys.stderr)
            figures += [] if options.only_ours else quote(name, n_step, rounds)
            if n_step == max(options.steps):
                tables.append(find_elbow(features, targets, group, name))
    if options.rows:
        tables.append(measure_chunks(options.rows))
    recording.save("Templates beside every other way to make them, on real steps", tables, figures, PACKAGES)


if __name__ == "__main__":
    main()
