"""Templates beside every other way to make them, on real steps, in one run.

    python -m benchmarks.templates [--data ../shared/data] [--steps 5000 40000] [--labels 34]

Steps of MATH's reference solutions with their primary labels, by the stages `steps` and `labels`; the most frequent
labels, as many as `--labels` says (0 for all). A fifth of the problems is held out; nothing that is fitted sees it. At
N = 5,000, where one fifth is too few steps to tell methods apart, each fifth is held out in turn (`--splits`), and
figures are means. p(y|x) is estimated once, and given to each method that wants it. Each method runs in a process of
its own with one thread; CPU is from arrays to the templates of the training steps. Held-out information is H(Y) of the
steps held out less the cross-entropy of their labels under p(y|t) = (n_ty + p(y)) / (n_t + 1): Σ p(y|x) where a method
works on p(y|x), else counts of labels. The peers get an environment of their own below .venv-bench-templates.

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

from benchmarks.measure import describe_machine
from benchmarks.templates_data import BOTH, GRAMS, embed, read_steps
from mycelium.bottleneck.elbow import choose_k, count_templates, measure_stability, tabulate_gains
from mycelium.bottleneck.hierarchy import Level, grow
from mycelium.bottleneck.information import entropy
from mycelium.bottleneck.posterior import deal_groups, fit_posterior
from mycelium.bottleneck.rows import Weights, in_memory
from mycelium.bottleneck.targets import Targets, encode_labels

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-bench-templates"
PACKAGES = ("scikit-learn==1.9.1", "sib-clustering==0.2.7", "numpy==2.4.6")
SIZES = (6, 16, 30, 60)
OURS, POLISHED, SIB = "ours: one hierarchy", "ours, polished", "sib (10) on p(y|x)"
PEERS = (
    "k-means on X",
    "the paper's splitting",
    "sib on one-hot Y",
    "LDA, k-means",
    "deterministic IB on p(y|x)",
    "k-means on p(y|x)",
    SIB,
)
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SMALL = 10_000
Matrix = npt.NDArray[np.float32]
Group = npt.NDArray[np.intp]
Cells = dict[str, dict[int, dict[str, float]]]


def prepare() -> Path:
    """Make the peers' environment if it is not there, and return its Python."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "ready").exists():
        print(f"making {ENVIRONMENT.name} for the peers: {', '.join(PACKAGES)}")
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True
        )
        (ENVIRONMENT / "ready").touch()
    return python


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


def compare(features: Matrix, targets: Targets, group: Group, python: Path, splits: int, *, only_ours: bool) -> None:
    """Compare all methods on one set of steps."""
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
                "out_of_fold_bound": posterior.quality.bound,
                "n_train": len(train),
                "n_test": len(test),
            }
        )
    print_comparison(rounds, {name: statistics.mean(fact[name] for fact in facts) for name in facts[0]}, min_size)


def print_comparison(rounds: list[Cells], facts: dict[str, float], min_size: int) -> None:
    """Print the table and the ratios that are asked for."""

    def mean(name: str, k: int, what: str) -> float:
        return statistics.mean(cells[name][k][what] for cells in rounds if k in cells[name]) if name in rounds[0] else 0

    print(
        f"N = {facts['n_train']:,.0f} to fit, {facts['n_test']:,.0f} held out, {len(rounds)} split(s), "
        f"min_size {min_size}; H(Y) {facts['entropy']:.2f}, bound {facts['bound']:.3f} bits held out "
        f"({facts['out_of_fold_bound']:.3f} out of fold); calibration error {facts['ece']:.3f}"
    )
    print(f"{'held-out bits (share of the bound), CPU s':28}" + "".join(f"{f'k={k}':>24}" for k in SIZES))
    for name in rounds[0]:
        line = ""
        for k in SIZES:
            bits = mean(name, k, "held_out")
            line += f"{bits:8.3f} ({bits / facts['bound']:5.1%}) {mean(name, k, 'cpu_s'):6.1f}"
        print(f"{name:28}  {line}", flush=True)
    print(f"memory grown by: {max(cells[OURS][6]['grown_mb'] for cells in rounds):.1f} MB", flush=True)
    if SIB not in rounds[0]:
        return
    for name in (OURS, POLISHED):
        of_sib = [f"{mean(name, k, 'held_out') / mean(SIB, k, 'held_out'):.3f}" for k in SIZES]
        print(f"{name}: of sib (10) at {SIZES}: {', '.join(of_sib)}")
    for peer in ("the paper's splitting", "k-means on X"):
        times = [f"{mean(OURS, k, 'held_out') / mean(peer, k, 'held_out'):.2f}" for k in (30, 60)]
        print(f"{OURS}: of {peer} at 30, 60: {', '.join(times)}")
    sib_s = sum(mean(SIB, k, "cpu_s") for k in SIZES)
    print(f"four sib (10) runs {sib_s:.1f} s, our hierarchy 1 to 60 {mean(OURS, 60, 'cpu_s'):.1f} s", flush=True)


def print_elbow(features: Matrix, targets: Targets, group: Group) -> None:
    """Print the gain table's counts, the choice of k, its stability, and what shuffled labels give."""
    posterior = fit_posterior(features, targets, group)
    rows, n_label = posterior.rows, len(targets.names)
    hierarchy = grow(in_memory(rows), n_label, 100)
    choice = choose_k(hierarchy, rows, targets, group)
    print(
        f"\nchoice of k: {choice.k}; splits beyond doubt up to {choice.significant_k}; levels {len(hierarchy.levels)}"
    )
    for row in count_templates(tabulate_gains(hierarchy)):
        print(
            f"  at {row.threshold:.2f} bits: {row.by_gain} by gains of I(T;Y), {row.by_local_gain} by gains within the "
            f"cluster split, {row.by_corrected_gain} above the floor; the paper {row.paper}"
        )

    def grow_again(weights: Weights) -> Level:
        return grow(in_memory(rows, weights), n_label, 30).levels[-1]

    stable = measure_stability(grow_again, rows, group, n_resample=3)
    print(f"  30 templates, problems drawn anew: adjusted mutual information {statistics.mean(stable):.3f}")
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = Targets(targets.names, targets.weights[order])
    nothing = fit_posterior(features, shuffled, group)
    levels = grow(in_memory(nothing.rows), n_label, 60)
    empty = choose_k(levels, nothing.rows, shuffled, group)
    print(
        f"shuffled labels: bound {nothing.quality.bound:.4f} bits, {len(levels.levels)} levels grown with "
        f"I(T;Y) {levels.levels[-1].relevance:.4f}; choice of k: {empty.k}",
        flush=True,
    )


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="Folder of the real data.")
    parser.add_argument("--steps", type=int, nargs="*", default=[5_000, 40_000], help="How many steps to fit to.")
    parser.add_argument("--labels", type=int, default=34, help="The most frequent labels only; 0 for all.")
    parser.add_argument("--embeddings", nargs="*", default=[GRAMS, BOTH], help="Which embeddings.")
    parser.add_argument("--splits", type=int, default=5, help="How many fifths are held out in turn below 10,000.")
    parser.add_argument("--only-ours", action="store_true", help="Leave the peers out.")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000], help="Rows in chunks.")
    options = parser.parse_args()
    if any(os.environ.get(name) != number for name, number in ONE_THREAD.items()):
        # The libraries read how many threads they may have when they are loaded: once more, with one.
        command = [sys.executable, "-m", "benchmarks.templates", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **ONE_THREAD})  # noqa: S606 - this program again
    print(describe_machine())
    steps = read_steps(options.data)
    python = prepare()
    for n_step in options.steps:
        keep, targets, group = select(steps, options.labels, n_step)
        for name in options.embeddings:
            features = embed([steps[index]["expression"] for index in keep], name, python)
            print(f"\n{name}: {features.shape[1]} features, {len(targets.names)} labels")
            compare(features, targets, group, python, options.splits, only_ours=options.only_ours)
            if n_step == max(options.steps):
                print_elbow(features, targets, group)
    for n_row in options.rows:
        (answer,) = start([sys.executable, "-m", "benchmarks.templates_ours", "chunks", str(n_row)])
        print(
            f"{n_row:,} rows in chunks of 50,000: {answer['cpu_s']:.1f} s CPU for 1 to 30 templates, "
            f"{answer['passes']} passes, {answer['peak_mb']:.0f} MB"
        )


if __name__ == "__main__":
    main()
