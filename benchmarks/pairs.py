"""How well and how fast problems are dealt out to splits, and what 10⁶ of them take.

    python -m benchmarks.pairs [--problems 1000000] [--targets FOLDER …]

1. Quality: 20,000 problems with classes of all frequencies, dealt by lot, by us, and by iterative-stratification
   (`pip install iterative-stratification`, if it is there). Shown is how far the share of a class in test is from the
   share wanted, over the classes that 50 problems or more bear.
2. Size: the last part of a run of so many problems, each in a group of its own, concluded and its splits gathered.
3. Agreement: every expression of exported C3 pairs (`export-pairs --format huggingface`), read and computed by sympy
   and by us.

ADR 0080 quotes the table.
"""

import argparse
import importlib
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import sympy
from sympy.parsing.sympy_parser import parse_expr, rationalize, standard_transformations

from benchmarks.measure import describe_machine
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


def deal_by_peer(classes: Sequence[Sequence[int]]) -> list[int]:
    """Deal as iterative-stratification does."""
    module = importlib.import_module("iterstrat.ml_stratifiers")
    labels = np.zeros((len(classes), N_CLASS), bool)
    for i, borne in enumerate(classes):
        labels[i, list(borne)] = True
    shares = np.asarray(SHARES) / SHARE_UNIT
    return [int(j) for j in module.IterativeStratification(labels, shares, np.random.RandomState(0))]


def describe_shares(classes: Sequence[Sequence[int]], dealt: Sequence[int]) -> tuple[float, float]:
    """Return the mean and largest distance of a class's share in test from the share wanted, in percent of it."""
    in_test, total = np.zeros(N_CLASS), np.zeros(N_CLASS)
    for borne, split in zip(classes, dealt, strict=True):
        total[list(borne)] += 1
        in_test[list(borne)] += split == 2
    common = total >= COMMON
    off = np.abs(in_test[common] / total[common] / (SHARES[2] / SHARE_UNIT) - 1) * 100
    return float(off.mean()), float(off.max())


def measure_quality() -> None:
    """Print how each way deals 20,000 problems."""
    classes = draw_classes(N_QUALITY)
    ways: dict[str, Callable[[Sequence[Sequence[int]]], list[int]]] = {"by lot": deal_by_lot, "ours": deal_ours}
    try:
        importlib.import_module("iterstrat.ml_stratifiers")
        ways["iterative-stratification"] = deal_by_peer
    except ImportError:
        print("iterative-stratification is not installed here, and is left out")
    print(f"\n{N_QUALITY:,} problems, {N_CLASS} classes; {describe_machine()}")
    print(f"{'':26}{'s':>8}{'mean off %':>12}{'worst off %':>13}")
    for name, way in ways.items():
        start = time.perf_counter()
        dealt = way(classes)
        seconds = time.perf_counter() - start
        mean, worst = describe_shares(classes, dealt)
        print(f"{name:26}{seconds:8.3f}{mean:12.2f}{worst:13.2f}")


def measure_size(n: int) -> None:
    """Print what the end of a large run takes."""
    names = list(LABELS)
    rng = random.Random(2)
    tally = Tally()
    for borne in draw_classes(n):
        tally.add("group", class_key(rng.getrandbits(63), sorted(names[k] for k in borne)))
    tally.add("problem", b"1", n)
    part = tally.table()
    del tally
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{n:,} problems: the last part has {part.nbytes / 1e6:.0f} MB; {describe_machine()}")
    ways: dict[str, Callable[[], object]] = {
        "reduce": lambda: STAGE.reduce([part, part.slice(0, 0)]),
        "gather splits": lambda: gather_splits(part, C2PairsParams()),
        "conclude": lambda: STAGE.conclude(part, C2PairsParams()),
    }
    for name, way in ways.items():
        start = time.perf_counter()
        way()
        print(f"{name:26}{time.perf_counter() - start:8.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MB; making the part had taken {before:,.0f} MB")


def compare_with_sympy(folders: Sequence[Path]) -> None:
    """Print on how many exported expressions sympy and we agree; the texts are our own, and read back before sympy."""
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
    print(f"\n{len(texts):,} distinct expressions, read by sympy {sympy.__version__}")
    for what, count in counts.most_common():
        print(f"{count:8,}  {what}")


def read_expressions(path: Path) -> list[str]:
    """Return the targets of a file without their end of sequence."""
    table = pq.read_table(path, columns=["target", "eos"])
    return [row["target"].removesuffix(row["eos"]) for row in table.to_pylist()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=1_000_000)
    parser.add_argument("--targets", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    if options.targets:
        compare_with_sympy(options.targets)
        return
    measure_quality()
    measure_size(options.problems)


if __name__ == "__main__":
    main()
