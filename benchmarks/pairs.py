"""How well and how fast problems are dealt out to splits, and what 10⁶ of them take.

    python -m benchmarks.pairs [--problems 1000000] [--targets FOLDER …]

1. Quality: 20,000 problems with classes of all frequencies, dealt by lot, by us, and by iterative-stratification
   (in an environment of its own). Shown is how far the share of a class in test is from the share wanted, over the
   classes that 50 problems or more bear.
2. Size: the last part of a run of so many problems, each in a group of its own, concluded and its splits gathered.
3. Agreement: every expression of exported C3 pairs (`export-pairs --format huggingface`), read and computed by sympy
   and by us; on its own.
"""

import argparse
import json
import random
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import sympy
from sympy.parsing.sympy_parser import parse_expr, rationalize, standard_transformations

from benchmarks.peers import install
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from lambdas.stages.c2_pairs import STAGE, C2PairsParams, gather_splits
from mycelium.labels.operators import LABELS
from mycelium.pairs.canonical import read_back
from mycelium.pairs.claims import find_names
from mycelium.pairs.classes import class_key
from mycelium.pairs.evaluate import evaluate
from mycelium.pairs.stratify import SHARE_UNIT, check_shares, deal
from mycelium.stats import Tally

SHARES = check_shares(0.1, 0.1)
N_CLASS = len(LABELS)
N_QUALITY = 20_000
COMMON = 50
OURS, PEER = "ours", "iterative-stratification"
PACKAGES = ("iterative-stratification==0.1.9", "scikit-learn==1.9.1", "numpy==2.4.6")
DEAL = """
import json, sys, time
import numpy as np
from iterstrat.ml_stratifiers import IterativeStratification
classes, shares, n_class = json.load(sys.stdin)
labels = np.zeros((len(classes), n_class), bool)
for i, borne in enumerate(classes):
    labels[i, borne] = True
start = time.perf_counter()
dealt = [int(j) for j in IterativeStratification(labels, np.asarray(shares), np.random.RandomState(0))]
print(json.dumps([dealt, time.perf_counter() - start]))
"""


def draw_classes(n: int) -> list[list[int]]:
    """Draw the classes of n problems, some eight draws each, class k as 1 / (k + 1)."""
    rng = random.Random(0)
    weights = [1 / (k + 1) for k in range(N_CLASS)]
    return [sorted(set(rng.choices(range(N_CLASS), weights, k=8))) for _ in range(n)]


def deal_by_lot(classes: Sequence[Sequence[int]]) -> list[int]:
    """Deal without looking."""
    rng = random.Random(1)
    return rng.choices(range(3), SHARES, k=len(classes))


def deal_ours(classes: Sequence[Sequence[int]]) -> list[int]:
    """Deal as the stage does."""
    return deal([1] * len(classes), [[(k, 1) for k in borne] for borne in classes], N_CLASS, SHARES)


def deal_by_peer(classes: Sequence[Sequence[int]]) -> tuple[list[int], float]:
    """Deal as iterative-stratification does, in its own environment; return the seconds as well, without imports."""
    python = install("pairs", PACKAGES)
    asked = json.dumps([[list(borne) for borne in classes], [share / SHARE_UNIT for share in SHARES], N_CLASS])
    told = subprocess.run([python, "-c", DEAL], input=asked, capture_output=True, text=True, check=True)
    dealt, seconds = json.loads(told.stdout)
    return dealt, seconds


def describe_shares(classes: Sequence[Sequence[int]], dealt: Sequence[int]) -> tuple[float, float]:
    """Return the mean and largest distance of a class's share in test from the share wanted, in percent of it."""
    in_test, total = np.zeros(N_CLASS), np.zeros(N_CLASS)
    for borne, split in zip(classes, dealt, strict=True):
        total[list(borne)] += 1
        in_test[list(borne)] += split == 2
    common = total >= COMMON
    off = np.abs(in_test[common] / total[common] / (SHARES[2] / SHARE_UNIT) - 1) * 100
    return float(off.mean()), float(off.max())


def measure_quality() -> tuple[Table, Figure]:
    """Return how each way deals 20,000 problems."""
    classes = draw_classes(N_QUALITY)
    ways: dict[str, Callable[[], list[int]]] = {
        "by lot": lambda: deal_by_lot(classes),
        OURS: lambda: deal_ours(classes),
    }
    rows: list[tuple[Cell, ...]] = []
    worst: dict[str, float] = {}
    dealt_by = {PEER: deal_by_peer(classes)}
    for name, way in ways.items():
        start = time.perf_counter()
        dealt_by[name] = way(), time.perf_counter() - start
    for name, (dealt, seconds) in dealt_by.items():
        mean, worst[name] = describe_shares(classes, dealt)
        rows.append((name, seconds, mean, worst[name]))
    columns = (Column("time", "s"), Column("mean off", "%", ".2f"), Column("worst off", "%", ".2f"))
    caption = f"{N_QUALITY:,} problems, {N_CLASS} classes: how far a class's share in test is from the share wanted."
    what = "the class whose share in test is farthest off"
    rows.sort(key=lambda row: row[0] != OURS)
    return (
        Table(caption, columns, tuple(rows), "quality", base=OURS, by="time"),
        Figure("worst", what, worst[OURS], "%", PEER, worst[PEER], form=".2f"),
    )


def measure_size(n: int) -> Table:
    """Return what the end of a large run takes."""
    names = list(LABELS)
    rng = random.Random(2)
    tally = Tally()
    for borne in draw_classes(n):
        tally.add("group", class_key(rng.getrandbits(63), sorted(names[k] for k in borne)))
    tally.add("problem", b"1", n)
    part = tally.table()
    del tally
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ways: dict[str, Callable[[], object]] = {
        "reduce": lambda: STAGE.reduce([part, part.slice(0, 0)]),
        "gather splits": lambda: gather_splits(part, C2PairsParams()),
        "conclude": lambda: STAGE.conclude(part, C2PairsParams()),
    }
    rows = []
    for name, way in ways.items():
        start = time.perf_counter()
        way()
        rows.append((name, time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    caption = (
        f"{n:,} problems, each in a group of its own: the last part has {part.nbytes / 1e6:.0f} MB; peak memory "
        f"{peak:,.0f} MB, of which making the part had taken {before:,.0f}."
    )
    return Table(caption, (Column("time", "s"),), tuple(rows), "size")


def compare_with_sympy(folders: Sequence[Path]) -> Table:
    """Return on how many exported expressions sympy and we agree; the texts are our own, and read back before sympy."""
    texts = sorted(
        {text for folder in folders for path in folder.glob("data/*.parquet") for text in read_expressions(path)}
    )
    counts: Counter[str] = Counter()
    for text in texts:
        tree = read_back(text)
        assert tree is not None
        names = set(find_names(tree))
        read = parse_expr(text, transformations=(*standard_transformations, rationalize))
        if names:
            same = {str(symbol) for symbol in read.free_symbols} <= names
            counts["the same names" if same else f"other names: {text}"] += 1
        else:
            value = evaluate(tree, text)
            same = read == sympy.Rational(value.numerator, value.denominator)
            counts["the same value" if same else f"another value: {text}"] += 1
    caption = f"{len(texts):,} distinct expressions, read by sympy {sympy.__version__}."
    return Table(caption, (Column("expressions"),), tuple(counts.most_common()), "agreement")


def read_expressions(path: Path) -> list[str]:
    """Return the targets of a file without their end of sequence."""
    table = pq.read_table(path, columns=["target", "eos"])
    return [row["target"].removesuffix(row["eos"]) for row in table.to_pylist()]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1_000_000)
    parser.add_argument("--targets", type=Path, nargs="*", default=[])
    parser.add_argument("--deal", metavar="FILE", help=argparse.SUPPRESS)
    add_out(parser)
    options = parser.parse_args()
    recording = begin("pairs", options.out)
    title = "How well problems are dealt out to splits, and what very many of them take"
    if options.targets:
        recording.save(title, [compare_with_sympy(options.targets)])
        return
    quality, worst = measure_quality()
    recording.save(title, [quality, measure_size(options.problems)], [worst], PACKAGES)


if __name__ == "__main__":
    main()
