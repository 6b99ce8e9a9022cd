"""What is read of all the real data: steps for each solution, what is refused, how often each label occurs.

    python -m benchmarks.labels_shares [--sample 2000] [--data ../shared/data]

Beside ours the paper's way: its function over the trees that sympy's antlr parser makes and evaluates. And GSM8K's
annotations: divisions that are kept, and whether sympy finds each annotation true.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.labels_data import (
    SOURCES,
    add_data,
    check_data,
    draw_latex,
    find_distinct,
    label,
    read_rows,
    segments_of,
)
from benchmarks.labels_servers import PACKAGES, PEERS, Server, for_peers, prepare
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from mycelium.labels.extract import extract_all_ops, primary_label, root_operator
from mycelium.labels.judge import Judge, count
from mycelium.labels.operators import LABELS
from mycelium.labels.parser import parse
from mycelium.labels.steps import CachedReader, find_steps
from mycelium.labels.tree import Refusal

REPETITIONS = 3
N_DIVIDED = 300


def count_steps(data: Path) -> Table:
    """Return how many steps solutions have, by file and level."""
    rows: list[tuple[Cell, ...]] = []
    for name, (problem, field) in SOURCES.items():
        levels: dict[int | None, list[tuple[int, int]]] = {}
        reader = CachedReader()
        for row in read_rows(data, name):
            chain = find_steps(row[problem], row[field], reader=reader)
            levels.setdefault(row.get("level"), []).append((chain.n_segment, len(chain.steps)))
        for level, counts in sorted(levels.items(), key=lambda item: item[0] or 0):
            found, steps = (sum(column) / len(counts) for column in zip(*counts, strict=True))
            without = sum(not steps_found for _, steps_found in counts)
            rows.append((name, "" if level is None else str(level), len(counts), found, steps, without))
    columns = (
        *map(Column, ("level", "solutions")),
        *(Column(name, form=".2f") for name in ("pieces of mathematics each", "steps each")),
        Column("without a step"),
    )
    return Table("Steps bear a label or are refused.", columns, tuple(rows), "steps", "file")


def count_parsed(distinct: list[tuple[str, bool]]) -> tuple[Table, list[Figure]]:
    """Return the share of distinct segments that is read, how fast, and why the rest is not."""
    rows: list[tuple[Cell, ...]] = []
    figures = []
    for what, plain in (("LaTeX", False), ("plain text and annotations", True)):
        texts = [text for text, is_plain in distinct if is_plain is plain]
        rates = []
        for _ in range(REPETITIONS):
            start = time.process_time()
            for text in texts:
                label(text, plain=plain)
            rates.append(len(texts) / (time.process_time() - start))
        trees = [parse(text, plain=plain) for text in texts]
        refusals = Counter(tree.reason.value for tree in trees if isinstance(tree, Refusal))
        share = 100 * (1 - refusals.total() / len(texts))
        why = ", ".join(f"{reason} {number:,}" for reason, number in refusals.most_common())
        rows.append((what, len(texts), share, tuple(rates), why))
        figures.append(Figure(what.split()[0], f"distinct segments of {what} parsed", share, "%", form=".1f"))
    columns = (
        Column("distinct segments"),
        Column("parsed", "%", ".2f"),
        Column("a processor's second", "segments", ",.0f"),
        Column("refused"),
    )
    return Table("Parsed, and labelled.", columns, tuple(rows), "parsed"), figures


def count_labels(data: Path) -> Table:
    """Return how often each label is the primary one, the root, or there at all, over steps of the MATH files."""
    counts: dict[str, Counter[str]] = {what: Counter() for what in ("primary label", "root operator", "all labels")}
    for name, (_, field) in SOURCES.items():
        if name.startswith("gsm"):
            continue
        for row in read_rows(data, name):
            for segment in segments_of(row[field]):
                tree = parse(row[field][segment.start : segment.end], plain=segment.is_plain)
                if not isinstance(tree, Refusal) and (labels := extract_all_ops(tree)):
                    counts["primary label"][primary_label(tree)] += 1
                    counts["root operator"][root_operator(tree)] += 1
                    counts["all labels"].update(labels)
    rows = tuple((what, of.total(), _share_powers(of), _say_shares(of, 14)) for what, of in counts.items())
    columns = (Column("counted"), Column("powers", "%", ".1f"), Column("the most frequent"))
    return Table("Ours, over all steps of the MATH files.", columns, rows, "labels")


def _share_powers(counts: Counter[str]) -> float:
    powers = sum(number for name, number in counts.items() if name in LABELS and LABELS[name].family == "power")
    return 100 * powers / counts.total()


def _say_shares(counts: Counter[str], n: int) -> str:
    return ", ".join(f"{name} {100 * number / counts.total():.1f} %" for name, number in counts.most_common(n))


def count_paper(server: Server, sample: list[str]) -> Table:
    """Return what the paper's function makes of sympy's evaluated trees, and whether 53 % Pow comes out."""
    answers = [answer for text in sample if (answer := server.ask(for_peers(text)))["ok"]]
    counts = {
        "root class": Counter(answer["root"] for answer in answers),
        "all labels emitted": Counter(name for answer in answers for name in answer["paper"]),
        "first label emitted": Counter(answer["paper"][0] for answer in answers if answer["paper"]),
    }
    rows = tuple((what, of.total(), _say_shares(of, 8)) for what, of in counts.items())
    caption = f"The paper's way, on {len(answers):,} trees of {PEERS[0]}."
    return Table(caption, (Column("counted"), Column("the most frequent")), rows, "paper")


def count_divisions(servers: dict[str, Server], annotations: list[str]) -> Table:
    """Return how many divisions of GSM8K's annotations each parser keeps."""
    divided = [text for text in dict.fromkeys(annotations) if "/" in text]
    kept = sum("div" in label(text, plain=True)[1] for text in divided)
    rows: list[tuple[Cell, ...]] = [("mycelium.labels", len(divided), kept, 100 * kept / len(divided))]
    chosen = random.Random(1).sample(divided, min(N_DIVIDED, len(divided)))
    for name, server in servers.items():
        of_peer = sum("div" in server.ask(text).get("labels", ()) for text in chosen)
        rows.append((name, len(chosen), of_peer, 100 * of_peer / len(chosen)))
    columns = (Column("divisions"), Column("kept"), Column("share", "%", ".1f"))
    caption = "Divisions of GSM8K's annotations that are kept; of the peers a sample."
    return Table(caption, columns, tuple(rows), "divisions", "parser")


def verify(annotations: list[str]) -> Table:
    """Return how many annotations sympy finds true, in two children."""
    with Judge(2) as judge:
        judge.judge([("1=1", True), ("1=1", True)])
        start = time.perf_counter()
        verdicts = count(judge.judge([(text, True) for text in annotations]))
        took_s = time.perf_counter() - start
    told = ", ".join(f"{name} {number:,}" for name, number in verdicts.items() if number)
    caption = f"{len(annotations):,} annotations of GSM8K judged by sympy, in two children."
    return Table(caption, (Column("found"),), (("verdicts", told), ("seconds", took_s)), "verified")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser)
    parser.add_argument("--sample", type=int, default=2_000, help="distinct LaTeX segments that the peers read")
    add_out(parser)
    options = parser.parse_args()
    check_data(options.data)
    recording = begin("labels-shares", options.out)
    commands = prepare(engine=False)
    distinct, annotations = find_distinct(options.data)
    sample = draw_latex(distinct, options.sample)
    parsed, figures = count_parsed(list(distinct))
    tables = [count_steps(options.data), parsed, count_labels(options.data)]
    with tempfile.TemporaryDirectory() as folder:
        servers = {name: Server(command, folder) for name, command in commands.items()}
        tables += [count_paper(servers[PEERS[0]], sample), count_divisions(servers, annotations)]
        for server in servers.values():
            server.stop()
    tables.append(verify(annotations))
    recording.save("What is read of all the real data", tables, figures, PACKAGES)


if __name__ == "__main__":
    main()
