"""Labels beside sympy's antlr, latex2sympy2_extended, math-verify and Compute Engine, on real data, in one run.

    python -m benchmarks.labels [--sample 2000] [--data ../shared/data] [--no-engine]

The peers get an environment of their own, made on the first run from the package index (Compute Engine from npm). Each
peer is one process that is given one expression at a time and is killed after some seconds; its time is its own
processor time for parsing alone. Ours is processor time for parsing and labelling. In each round every parser reads the
same expressions in turn. Every hostile case is given to every parser; those for the segment finder only to ours.
"""

import argparse
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.labels_data import add_data, check_data, draw_latex, find_distinct, label, read_gold
from benchmarks.labels_servers import ENGINE, ENGINE_PACKAGE, PACKAGES, Server, for_peers, prepare
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table, middle
from mycelium.labels.steps import find_steps
from tests.mycelium.labels.hostile import CASES, MAX_MEBIBYTES, MAX_SECONDS, SCANNING

OURS = "mycelium.labels"
ROUNDS = 5
WRONG = ("over 50 ms", "over 64 MB", "hang", "crash", "RecursionError", "MemoryError", "ran code")
# What a sympy tree has no word for is left out of the coarse comparison, and what it has one word for is one.
COARSE = {
    **dict.fromkeys(("add", "sub"), "sum"),
    **dict.fromkeys(("mul", "div", "neg"), "product"),
    **dict.fromkeys(
        ("sqrt", "square", "cube", "inverse", "high_pow", "frac_pow", "nth_root", "pow_general", "exp"), "power"
    ),
    **dict.fromkeys(("log", "ln", "log_base"), "log"),
    **dict.fromkeys(("tuple", "interval", "set", "vector", "percent", "mixed", "base", "ratio", "apply"), ""),
    **dict.fromkeys(("approx", "equiv", "similar", "implies", "arrow", "custom_op", "plus_minus", "conj"), ""),
}


def coarse(labels: Iterable[str]) -> set[str]:
    """Return labels as far as a sympy tree can tell them apart."""
    return {COARSE.get(name, name) for name in labels} - {""}


def compare_speed(servers: dict[str, Server], sample: list[str]) -> dict[str, tuple[float, tuple[float, ...]]]:
    """Let each parser read the same expressions in turn; return the share parsed, and each round's rate."""
    parts = [sample[index::ROUNDS] for index in range(ROUNDS)]
    rates: dict[str, list[float]] = {name: [] for name in (OURS, *servers)}
    parsed: Counter[str] = Counter()
    for text in sample[:200]:
        label(text, plain=False)
    for part in parts:
        start = time.process_time()
        parsed[OURS] += sum(label(text, plain=False)[0] for text in part)
        rates[OURS].append(len(part) / (time.process_time() - start))
        for name, server in servers.items():
            answers = [server.ask(for_peers(text)) for text in part]
            parsed[name] += sum(answer["ok"] for answer in answers)
            rates[name].append(len(part) / sum(answer["cpu"] for answer in answers))
    return {name: (parsed[name] / len(sample), tuple(values)) for name, values in rates.items()}


def compare_labels(servers: dict[str, Server], gold: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the share of the gold set that each labels exactly, and as far as a sympy tree can."""
    right: dict[str, Counter[str]] = {name: Counter() for name in (OURS, *servers)}
    total: Counter[str] = Counter()
    for one in gold:
        answers = {name: server.ask(for_peers(one["text"])) for name, server in servers.items() if name != ENGINE}
        found = {name: set(answer.get("labels", ())) if answer["ok"] else None for name, answer in answers.items()}
        ok, labels = label(one["text"], plain=one["plain"])
        found[OURS] = set(labels) if ok else None
        total.update((one["half"], "all"))
        for name, labels_found in found.items():
            if labels_found is None:
                continue
            right[name]["coarse"] += coarse(labels_found) == coarse(one["labels"])
            if labels_found == set(one["labels"]):
                right[name].update((one["half"], "all"))
    return {
        name: {
            key: counts[key] / total["all" if key == "coarse" else key] for key in ("tuned", "held", "all", "coarse")
        }
        for name, counts in right.items()
        if name != ENGINE
    }


def our_seconds(text: str) -> float:
    """Return the processor time of our slowest way of reading a text, the best of three."""
    ways: tuple[Callable[[str], object], ...] = (
        lambda text: label(text, plain=False),
        lambda text: label(text, plain=True),
        lambda text: find_steps("", text),
    )
    best = []
    for read in ways:
        seconds = []
        for _ in range(3):
            start = time.process_time()
            read(text)
            seconds.append(time.process_time() - start)
        best.append(min(seconds))
    return max(best)


def face_hostile(servers: dict[str, Server], folder: Path) -> Table:
    """Give every hostile case to every parser; the ones for the segment finder only to ours."""
    slow = sum(our_seconds(text) > MAX_SECONDS for text in CASES.values())
    over = our_memory_mb() > MAX_MEBIBYTES
    rows: list[tuple[Cell, ...]] = [(OURS, len(CASES), slow, int(over), *(0 for _ in WRONG[2:]))]
    mark = folder / "MYCELIUM_PWNED"
    for name, server in servers.items():
        wrong: Counter[str] = Counter()
        for case, text in CASES.items():
            if case not in SCANNING:
                wrong.update(face_one(server, text))
            if mark.exists():
                wrong["ran code"] += 1
                mark.unlink()
        server.stop()
        rows.append((name, len(CASES) - len(SCANNING), *(wrong[what] for what in WRONG)))
    columns = tuple(map(Column, ("cases", *WRONG)))
    return Table("Hostile expressions, and how many of them did what:", columns, tuple(rows), "hostile", "parser")


def face_one(server: Server, text: str) -> list[str]:
    """Give a peer one hostile case and return what went wrong."""
    answer = server.ask(text)
    wrong = [answer["error"]] if answer.get("error") in ("hang", "crash", "RecursionError", "MemoryError") else []
    if answer["cpu"] > MAX_SECONDS:
        wrong.append("over 50 ms")
    if answer.get("grown_mb", 0) > MAX_MEBIBYTES:
        wrong.append("over 64 MB")
        server.stop()  # the next case is measured from a fresh start
    return wrong


def our_memory_mb() -> float:
    """Return the most MiB that we hold at once for any hostile case."""
    peaks = []
    for text in CASES.values():
        tracemalloc.start()
        for plain in (False, True):
            label(text, plain=plain)
        find_steps("", text)
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    return max(peaks)


def tabulate(
    speed: dict[str, tuple[float, tuple[float, ...]]], labels: dict[str, dict[str, float]], n_sample: int, n_gold: int
) -> Table:
    """Return how much each parser reads, how fast, and how often its labels are right."""
    rows: list[tuple[Cell, ...]] = []
    for name, (parsed, rates) in speed.items():
        of = labels.get(name, {})
        exact = [100 * of[key] if of else None for key in ("tuned", "held", "all", "coarse")]
        rows.append((name, 100 * parsed, *exact, rates))
    columns = (
        Column("parsed", "%", ".1f", "most"),
        *(Column(name, "%", ".1f", "most") for name in ("labels exact: tuned on", "held out", "all", "coarsely")),
        Column("a processor's second", "expressions", ",.0f", "most"),
    )
    caption = (
        f"{n_sample:,} random distinct LaTeX segments, {ROUNDS} rounds in turn; a gold set of {n_gold} segments, of "
        "which half was looked at. Ours labels, too; coarsely is as far as a tree of sympy can tell operators apart."
    )
    return Table(caption, columns, tuple(rows), "parsers", "parser", OURS, "a processor's second")


def quote(speed: dict[str, tuple[float, tuple[float, ...]]], labels: dict[str, dict[str, float]]) -> list[Figure]:
    """Return what is quoted, each beside the peer that is best at it."""
    others = [name for name in speed if name != OURS]
    parsed = max(others, key=lambda name: speed[name][0])
    fast = max(others, key=lambda name: middle(speed[name][1]) or 0)
    exact = max((name for name in others if name in labels), key=lambda name: labels[name]["all"])
    read, theirs = (100 * speed[name][0] for name in (OURS, parsed))
    right, of_peer = (100 * labels[name]["held"] for name in (OURS, exact))
    return [
        Figure("parsed", "LaTeX segments parsed", read, "%", parsed, theirs, form=".1f"),
        Figure("exact", "labels exact, held out", right, "%", exact, of_peer, form=".1f"),
        Figure("rate", "parsed and labelled in a second of a processor", speed[OURS][1], "", fast, speed[fast][1]),
    ]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser)
    parser.add_argument("--sample", type=int, default=2_000, help="distinct LaTeX segments that the peers read")
    parser.add_argument("--no-engine", action="store_true", help="leave out Compute Engine, which needs node and npm")
    add_out(parser)
    options = parser.parse_args()
    check_data(options.data)
    recording = begin("labels", options.out)
    commands = prepare(engine=not options.no_engine)
    sample = draw_latex(find_distinct(options.data)[0], options.sample)
    gold = read_gold(options.data)
    with tempfile.TemporaryDirectory() as folder:
        servers = {name: Server(command, folder) for name, command in commands.items()}
        speed = compare_speed(servers, sample)
        labels = compare_labels(servers, gold)
        tables = [tabulate(speed, labels, len(sample), len(gold)), face_hostile(servers, Path(folder))]
    packages = [*PACKAGES, *([] if options.no_engine else [ENGINE_PACKAGE])]
    recording.save("Labels beside other parsers, on real mathematics", tables, quote(speed, labels), packages)


if __name__ == "__main__":
    main()
