"""Labels beside sympy's antlr, latex2sympy2_extended, math-verify and Compute Engine, on real data, in one run.

    python -m benchmarks.labels [--sample 2000] [--data ../shared/data] [--no-engine]

The peers get an environment of their own below .venv-bench-labels, made on the first run from the package index
(Compute Engine from npm). Each peer is one process that is given one expression at a time and is killed after some
seconds; its time is its own processor time for parsing alone. Ours is processor time for parsing and labelling. In
each round every parser reads the same expressions in turn.
"""

import argparse
import gzip
import json
import os
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import describe_machine
from mycelium.labels.extract import extract_all_ops, primary_label, root_operator
from mycelium.labels.judge import Judge, count
from mycelium.labels.operators import LABELS
from mycelium.labels.parser import parse
from mycelium.labels.segments import Segment, find_segments
from mycelium.labels.steps import CachedReader, find_steps
from mycelium.labels.tree import Refusal
from tests.mycelium.labels.hostile import CASES, MAX_MEBIBYTES, MAX_SECONDS, SCANNING

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-bench-labels"
PEERS = ("sympy antlr, evaluated", "sympy antlr, unevaluated", "latex2sympy2_extended", "math-verify")
ENGINE = "Compute Engine (JavaScript)"
OURS = "mycelium.labels"
PACKAGES = ("sympy==1.14.0", "latex2sympy2_extended==1.11.0", "math-verify==0.9.0", "antlr4-python3-runtime==4.11.1")
SOURCES = {
    "math_visible.jsonl.gz": ("problem", "solution"),
    "cot_zeroeval_math_l5.jsonl.gz": ("problem", "cot"),
    "cot_llama31_8b_math_train.jsonl.gz": ("problem", "cot"),
    "cot_qwen_official_math100x8.jsonl.gz": ("problem", "cot"),
    "gsm8k_train.jsonl.gz": ("question", "answer"),
}
README_COUNTS = {1: 3.78, 2: 5.31, 3: 7.10, 4: 9.01, 5: 13.70}
LIMIT_S = 3.0
ROUNDS = 5
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


class Server:
    """A peer in a process of its own, started again whenever it had to be killed."""

    def __init__(self, command: list[str], folder: str) -> None:
        """Take how the peer is started, and a folder of its own."""
        self.command, self.folder = command, folder
        self.process: subprocess.Popen[bytes] | None = None
        self.pending = b""

    def ask(self, text: str) -> dict[str, Any]:
        """Return the peer's answer, or ``{"ok": False, "error": "hang" or "crash"}``."""
        if self.process is None:
            self.start()
        answer = self.exchange(text)
        if answer is not None:
            return answer
        assert self.process is not None
        hung = self.process.poll() is None
        self.stop()
        return {"ok": False, "error": "hang" if hung else "crash", "cpu": LIMIT_S}

    def start(self) -> None:
        """Start the peer, and wait until it has answered once."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        self.pending = b""
        if self.exchange("x", 120) is None:
            sys.exit(f"a peer does not start: {' '.join(self.command)}")

    def exchange(self, text: str, limit_s: float = LIMIT_S) -> dict[str, Any] | None:
        """Send one expression and wait for the answer; None where there is none in time."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(text).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            return None
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], limit_s)
            part = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                return None
            self.pending += part
        line, _, self.pending = self.pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the peer."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None


def prepare(*, engine: bool) -> dict[str, list[str]]:
    """Make the peers' environment if it is not there, and return how each is started."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "ready").exists():
        print(f"making {ENVIRONMENT.name} for the peers: {', '.join(PACKAGES)}")
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
        (ENVIRONMENT / "ready").touch()
    commands = {name: [str(python), str(ROOT / "benchmarks" / "labels_peers.py"), name] for name in PEERS}
    folder = ENVIRONMENT / "engine"
    if engine and not folder.exists():
        folder.mkdir()
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, "@cortex-js/compute-engine"], check=True)
    if engine:
        commands[ENGINE] = ["node", str(ROOT / "benchmarks" / "labels_engine.mjs"), str(folder)]
    return commands


def read_rows(data: Path, name: str) -> Iterator[dict[str, Any]]:
    """Read one file of the real data."""
    with gzip.open(data / name, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def segments_of(text: str) -> list[Segment]:
    """Return the segments of a text; one that is too long has none."""
    found = find_segments(text)
    return [] if isinstance(found, Refusal) else found


def label(text: str, *, plain: bool) -> tuple[bool, list[str]]:
    """Do all that a label costs."""
    tree = parse(text, plain=plain)
    if isinstance(tree, Refusal):
        return False, []
    primary_label(tree)
    root_operator(tree)
    return True, sorted(extract_all_ops(tree))


def coarse(labels: Iterable[str]) -> set[str]:
    """Return labels as far as a sympy tree can tell them apart."""
    return {COARSE.get(name, name) for name in labels} - {""}


def for_peers(text: str) -> str:
    """Take off what only ends a sentence: no peer reads it."""
    return text.strip().rstrip(".,;:").strip()


def compare_speed(servers: dict[str, Server], sample: list[str]) -> dict[str, dict[str, float]]:
    """Let each parser read the same expressions in turn, in rounds."""
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
    return {
        name: {
            "parsed": parsed[name] / len(sample),
            "rate": statistics.median(values),
            "low": min(values),
            "high": max(values),
        }
        for name, values in rates.items()
    }


def read_gold(data: Path) -> list[dict[str, Any]]:
    """Return the gold set with its texts."""
    path = ROOT / "tests" / "mycelium" / "labels" / "gold.jsonl"
    gold = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = {name: list(read_rows(data, name)) for name in {one["file"] for one in gold}}
    for one in gold:
        one["text"] = rows[one["file"]][one["row"]][one["field"]][one["start"] : one["end"]]
    return gold


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


def print_hostile(servers: dict[str, Server], folder: Path) -> None:
    """Give every hostile case to every parser; the ones for the segment finder only to ours."""
    print(f"\nHostile: {len(CASES)} cases for ours; for the peers {len(CASES) - len(SCANNING)}, the expressions")
    slow = sum(our_seconds(text) > MAX_SECONDS for text in CASES.values())
    print(f"  {OURS:28} over 50 ms {slow}; at most {our_memory():.1f} MiB at once", flush=True)
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
        print(f"  {name:28} " + (", ".join(f"{what} {n}" for what, n in wrong.items()) or "nothing"), flush=True)


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


def our_memory() -> float:
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


def print_everything_of_ours(data: Path) -> tuple[list[str], list[str]]:
    """Print parsed share, refusals, steps and distributions; return the distinct LaTeX segments and all annotations."""
    distinct: dict[tuple[str, bool], str] = {}
    annotations: list[str] = []
    print("\nSteps per solution (all = pieces of mathematics, steps = those that bear a label or are refused)")
    for name, (problem, field) in SOURCES.items():
        levels: dict[int | None, list[tuple[int, int]]] = {}
        reader = CachedReader()
        n_plain = 0
        for row in read_rows(data, name):
            chain = find_steps(row[problem], row[field], reader=reader)
            levels.setdefault(row.get("level"), []).append((chain.n_segment, len(chain.steps)))
            n_plain += sum(step.kind in ("plain", "bare") for step in chain.steps)
            for segment in segments_of(row[field]):
                text = row[field][segment.start : segment.end]
                distinct.setdefault((text, segment.is_plain), name)
                if segment.kind == "annotation":
                    annotations.append(text)
        for level, counts in sorted(levels.items(), key=lambda item: item[0] or 0):
            n, of_readme = len(counts), ""
            if name.startswith("math_visible") and level in README_COUNTS:
                of_readme = f"   data readme: {README_COUNTS[level]:5.2f}"
            found, steps = (sum(column) / n for column in zip(*counts, strict=True))
            without = sum(not steps_found for _, steps_found in counts)
            counted = f"all {found:6.2f}  steps {steps:6.2f}  without {without:4}"
            print(f"  {name:38} level {level!s:>4}  n {n:5}  {counted}{of_readme}")
        print(f"  {name:38} steps without any delimiter: {n_plain}")
    print_parsed(distinct)
    print_distributions(data)
    return [text for (text, plain), name in distinct.items() if not plain and not name.startswith("gsm")], annotations


def print_parsed(distinct: dict[tuple[str, bool], str]) -> None:
    """Print the share of distinct segments that is read, and why the rest is not."""
    for what, plain in (("LaTeX", False), ("plain text and annotations", True)):
        texts = [text for text, is_plain in distinct if is_plain is plain]
        seconds = []
        for _ in range(3):
            start = time.process_time()
            for text in texts:
                label(text, plain=plain)
            seconds.append(time.process_time() - start)
        refusals = Counter(
            tree.reason.value for tree in (parse(text, plain=plain) for text in texts) if isinstance(tree, Refusal)
        )
        share = 1 - refusals.total() / len(texts)
        rate = len(texts) / min(seconds)
        print(f"\nDistinct {what}: {len(texts)}, parsed {share:.2%}, {rate:,.0f} a CPU second, labels included")
        print("  refused: " + ", ".join(f"{reason} {number}" for reason, number in refusals.most_common()))


def print_distributions(data: Path) -> None:
    """Print how often each label is the primary one and the root, over all steps of the MATH files."""
    primary: Counter[str] = Counter()
    roots: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for name, (_, field) in SOURCES.items():
        if name.startswith("gsm"):
            continue
        for row in read_rows(data, name):
            for segment in segments_of(row[field]):
                tree = parse(row[field][segment.start : segment.end], plain=segment.is_plain)
                if not isinstance(tree, Refusal) and (labels := extract_all_ops(tree)):
                    primary[primary_label(tree)] += 1
                    roots[root_operator(tree)] += 1
                    every.update(labels)
    for what, counts in (("primary label", primary), ("root operator", roots), ("all labels", every)):
        shares = [f"{name} {number / counts.total():.1%}" for name, number in counts.most_common(14)]
        print(f"\n{what}, of {counts.total()} in steps of the MATH files: " + ", ".join(shares))
    powers = sum(number for name, number in every.items() if LABELS[name].family == "power")
    first = sum(number for name, number in primary.items() if LABELS.get(name) and LABELS[name].family == "power")
    print(f"  powers: {powers / every.total():.1%} of all labels, {first / primary.total():.1%} of primary ones")


def print_paper(server: Server, sample: list[str]) -> None:
    """Print what the paper's function makes of sympy's evaluated trees, and whether 53 % Pow comes out."""
    answers = [answer for text in sample if (answer := server.ask(for_peers(text)))["ok"]]
    roots = Counter(answer["root"] for answer in answers)
    emitted = Counter(name for answer in answers for name in answer["paper"])
    first = Counter(answer["paper"][0] for answer in answers if answer["paper"])
    print(f"\nThe paper's way, on {len(answers)} trees of sympy antlr, evaluated")
    for what, counts in (("root class", roots), ("all labels emitted", emitted), ("first label emitted", first)):
        print(
            f"  {what}: " + ", ".join(f"{name} {number / counts.total():.1%}" for name, number in counts.most_common(8))
        )


def print_gsm8k(servers: dict[str, Server], annotations: list[str], n_sample: int) -> None:
    """Print divisions kept, throughput and verification on GSM8K's annotations."""
    texts = list(dict.fromkeys(annotations))
    start = time.process_time()
    for text in texts:
        label(text, plain=True)
    rate = len(texts) / (time.process_time() - start)
    divided = [text for text in texts if "/" in text]
    kept = sum("div" in label(text, plain=True)[1] for text in divided)
    print(f"\nGSM8K: {len(annotations)} annotations, {len(texts)} distinct; {OURS}: {rate:,.0f} a CPU second")
    print(f"  divisions kept, {OURS}: {kept} of {len(divided)}")
    chosen = random.Random(1).sample(divided, min(n_sample, len(divided)))
    for name, server in servers.items():
        if name != ENGINE:
            of_peer = sum("div" in server.ask(text).get("labels", ()) for text in chosen)
            print(f"  divisions kept, {name}: {of_peer} of {len(chosen)} (sample)")
    with Judge(2) as judge:
        judge.judge([("1=1", True), ("1=1", True)])
        start = time.perf_counter()
        verdicts = count(judge.judge([(text, True) for text in annotations]))
        print(f"  verification by sympy, 2 children: {verdicts}, {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MYCELIUM_DATA", ROOT.parent / "shared" / "data"))
    )
    arguments.add_argument("--sample", type=int, default=2_000, help="distinct LaTeX segments that the peers read")
    arguments.add_argument(
        "--no-engine", action="store_true", help="leave out Compute Engine, which needs node and npm"
    )
    options = arguments.parse_args()
    if not (options.data / "gsm8k_train.jsonl.gz").is_file():
        sys.exit(f"the real data are not here: no {options.data}/gsm8k_train.jsonl.gz; say where with --data")
    print(describe_machine())
    latex, annotations = print_everything_of_ours(options.data)
    commands = prepare(engine=not options.no_engine)
    sample = random.Random(20_261_120).sample(latex, options.sample)
    with tempfile.TemporaryDirectory() as folder:
        servers = {name: Server(command, folder) for name, command in commands.items()}
        speed = compare_speed(servers, sample)
        labels = compare_labels(servers, read_gold(options.data))
        print(f"\n{options.sample} random distinct LaTeX segments, {ROUNDS} rounds in turn; gold set of 449 segments")
        print(
            f"{'':28} parsed   labels exact (tuned / held / all / coarse)   a CPU second (min-max)       ratio to antlr"
        )
        base = speed[PEERS[0]]["rate"]
        for name, row in speed.items():
            of = labels.get(name)
            exact = (
                " / ".join(f"{of[key]:6.1%}" for key in ("tuned", "held", "all", "coarse"))
                if of
                else "not measured".center(33)
            )
            spread = f"{row['rate']:9,.0f} ({row['low']:,.0f}-{row['high']:,.0f})"
            print(f"{name:28} {row['parsed']:6.1%}   {exact}   {spread}   {row['rate'] / base:8.1f}")
        print_paper(servers[PEERS[0]], sample)
        print_gsm8k(servers, annotations, 300)
        print_hostile(servers, Path(folder))


if __name__ == "__main__":
    main()
