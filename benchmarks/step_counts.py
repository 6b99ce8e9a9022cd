"""Whether attention says how many steps a chain of thought has, beyond what its length says.

    python -m benchmarks.step_counts [--problems 300] [--device cuda] [--keep counts.npz]

Fresh held-out problems of the sample's generator, whose true number of steps is known, teacher-forced through the
sample teacher; heartbeats (stage `heartbeat`) and peaks of divergence (stage `jsd`) of all 64 heads, by their default
parameters, and by others. Whatever is chosen, a head, a parameter, is chosen on one half of the problems; every figure
is of the other half. docs/step-counts.md quotes the tables.
"""

import argparse
import functools
import itertools
import multiprocessing
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

import samples
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Table
from gpu_workers.extract import ExtractParams, extract_chunk
from gpu_workers.teacher import Teacher, load_teacher
from lambdas.stages import heartbeat, jsd
from mycelium.datasets import PROBLEMS
from mycelium.progress import show_progress
from samples.generator import Problem, stream

Floats = npt.NDArray[np.float64]

CHUNK = 10
RESAMPLES = 2_000
PERMUTATIONS = 10_000
MIN_RUNS = (1, 3, 5, 8)
PEAKS = ((0.05, 8), (0.1, 8), (0.2, 8), (0.1, 16))
PLAIN_BEATS, PLAIN_PEAKS = "min run 5", f"prominence {jsd.PROMINENCE}, distance {jsd.DISTANCE}"
"""The stages' own parameters."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was read of the problems: every array has one row for each.

    Attributes:
        steps: the true number of steps.
        tokens: tokens of the chain of thought.
        prompt: tokens of the problem.
        sentences: sentences of the chain of thought.
        beats: counts of heartbeats by setting; shape (problems, heads).
        peaks: counts of steps by peaks of divergence, by setting.
        bimodality: of each head, mean over problems; shape (heads,).
    """

    steps: Floats
    tokens: Floats
    prompt: Floats
    sentences: Floats
    beats: dict[str, Floats]
    peaks: dict[str, Floats]
    bimodality: Floats


def tabulate(problems: list[Problem]) -> Iterator[pa.Table]:
    """Yield problems as chunks of `problems`."""
    schema = PROBLEMS.arrow_schema()
    for start in range(0, len(problems), CHUNK):
        rows = [
            {"problem_id": p.id, "index": i, "problem": p.problem, "chain_of_thought": p.solution, "level": p.level}
            for i, p in enumerate(problems[start : start + CHUNK])
        ]
        yield pa.Table.from_pylist(rows, schema=schema)


def count(table: pa.Table, column: str, n_problems: int) -> Floats:
    """Return a column of a stage's output as (problems, heads), heads in order of layer and head."""
    values: Floats = table[column].to_numpy().astype(np.float64)
    return values.reshape(-1, n_problems).T


@functools.cache
def load(device: str) -> Teacher:
    """Load the sample teacher, once in a process."""
    torch.set_num_threads(1)
    return load_teacher(str(samples.TEACHER_DIR), device=device, dtype="float32")


def measure_chunk(table: pa.Table, device: str) -> dict[str, Floats]:
    """Read the teacher's attention over one chunk of problems, and count by every setting; also lengths."""
    n = table.num_rows
    seen, *signals = extract_chunk(table, load(device), ExtractParams(signals="iaf,jsd"))
    assert seen["skipped"].null_count == n
    # By definition the first token's IAF is 1, and its divergence 0.
    iaf, divergence = sorted(signals, key=lambda signal: -float(signal["head_000"][0].as_py()))
    found = {"tokens": seen["n_generated"].to_numpy(), "prompt": seen["n_input"].to_numpy()}
    for min_run in MIN_RUNS:
        (hearts,) = heartbeat.map_layers([iaf], heartbeat.HeartbeatParams(min_run=min_run))
        found[f"beats: min run {min_run}"] = count(hearts, "n_diastole", n)
    low, high = (count(hearts, name, n) / count(hearts, "n_tokens", n) for name in ("n_low", "n_high"))
    found["bimodality"] = 4 * low * high
    for prominence, distance in PEAKS:
        (edges,) = jsd.map_layers([divergence], jsd.JsdParams(prominence=prominence, distance=distance))
        found[f"divergence: prominence {prominence}, distance {distance}"] = count(edges, "n_step", n)
    return {name: values.astype(np.float64) for name, values in found.items()}


def measure(problems: list[Problem], device: str, n_workers: int) -> dict[str, Floats]:
    """Measure the problems chunk by chunk, in some processes."""
    with ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(measure_chunk, table, device) for table in tabulate(problems)]
        with show_progress("read", len(pending)) as progress:
            for _ in as_completed(pending):
                progress.advance(count=CHUNK)
        chunks = [each.result() for each in pending]
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return found | {"steps": np.array([problem.n_steps for problem in problems], np.float64)}


def take_apart(found: dict[str, Floats], problems: list[Problem]) -> Measured:
    """Sort what was measured."""
    sentences = np.array([len(re.findall(r"[.?](?= |$)", problem.solution)) for problem in problems], np.float64)
    parts = {
        what: {name.partition(": ")[2]: found[name] for name in found if name.startswith(f"{what}: ")}
        for what in ("beats", "divergence")
    }
    bimodality = found["bimodality"].mean(axis=0)
    steps, tokens, prompt = (found[name] for name in ("steps", "tokens", "prompt"))
    return Measured(steps, tokens, prompt, sentences, parts["beats"], parts["divergence"], bimodality)


def pearson(one: Floats, other: Floats) -> Floats:
    """Return Pearson's correlation along the last axis; 0 where one side does not vary."""
    one, other = (values - values.mean(axis=-1, keepdims=True) for values in (one, other))
    scale = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    return np.asarray(np.divide((one * other).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0))


def rank(values: Floats) -> Floats:
    """Return ranks, equal values sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place], np.float64)


def without(values: Floats, *others: Floats) -> Floats:
    """Return what is left of values after their least-squares fit by others and a constant."""
    if not others:
        return values
    basis = np.stack([np.ones_like(values), *others], axis=1)
    return np.asarray(values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0])


def bootstrap(
    statistic: Callable[[npt.NDArray[np.intp]], float], n: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of a statistic over resampled problems."""
    drawn = [statistic(rng.integers(0, n, n)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def permute(one: Floats, other: Floats, rng: np.random.Generator) -> float:
    """Return the share of permutations whose correlation is as far from 0, this one counted among them."""
    found = abs(float(pearson(one, other)))
    extreme = 0
    for _ in range(PERMUTATIONS // 500):
        shuffled = rng.permuted(np.tile(one, (500, 1)), axis=1)
        extreme += int((np.abs(pearson(shuffled, other)) >= found - 1e-12).sum())
    return (1 + extreme) / (1 + PERMUTATIONS)


def describe(
    name: str, counts: Floats, of: Measured, half: npt.NDArray[np.intp], rng: np.random.Generator
) -> tuple[str, ...]:
    """Return one row: a count of each problem against the true number of steps."""
    counts, steps, tokens, prompt = counts[half], of.steps[half], of.tokens[half], of.prompt[half]
    cells = []
    for given in ((), (tokens,), (tokens, prompt)):
        if any(np.array_equal(counts, each) for each in given):
            cells.append("")  # nothing is left of it
            continue

        def partial(chosen: npt.NDArray[np.intp], given: tuple[Floats, ...] = given) -> float:
            left = [without(values[chosen], *(each[chosen] for each in given)) for values in (counts, steps)]
            return float(pearson(left[0], left[1]))

        value, (low, high) = partial(np.arange(len(half))), bootstrap(partial, len(half), rng)
        p = permute(without(counts, *given), without(steps, *given), rng)
        cells.append(f"{value:.2f} [{low:.2f}, {high:.2f}], p {p:.2g}".replace("-", "−"))
    spearman = float(pearson(rank(counts), rank(steps)))
    off = np.abs(counts - steps).mean()
    return name, cells[0], f"{spearman:.2f}".replace("-", "−"), cells[1], cells[2], f"{off:.2f}"


def over_heads(
    name: str, counts: Floats, of: Measured, half: npt.NDArray[np.intp], rng: np.random.Generator
) -> list[tuple[Cell, ...]]:
    """Return how the heads' correlations are spread, and what the largest of as many would be by chance."""
    rows: list[tuple[Cell, ...]] = []
    for what, given in (("", ()), (", given tokens", (of.tokens[half],))):
        steps = without(of.steps[half], *given)
        heads = np.stack([without(column, *given) for column in counts[half].T])
        found = pearson(heads, steps)
        chance = [np.abs(pearson(heads, rng.permutation(steps))).max() for _ in range(1_000)]
        rows.append((name + what, *map(float, np.percentile(found, [0, 25, 50, 75, 100])), np.percentile(chance, 95)))
    return rows


def choose(counts: dict[str, Floats], of: Measured, half: npt.NDArray[np.intp], *, given: bool) -> tuple[str, int]:
    """Return the setting and head that correlate best on a half, by themselves or given the number of tokens."""
    others = (of.tokens[half],) if given else ()
    steps = without(of.steps[half], *others)
    scores = {
        (name, head): float(pearson(without(column[half], *others), steps))
        for name, table in counts.items()
        for head, column in enumerate(table.T)
    }
    return max(scores, key=lambda key: scores[key])


def judge(found: Measured, chosen: npt.NDArray[np.intp], judged: npt.NDArray[np.intp]) -> tuple[Table, Table]:
    """Return every count beside the true number of steps, and how the heads are spread."""
    rng = np.random.default_rng(2026)
    lengths = {"tokens of the chain": found.tokens, "sentences of the chain": found.sentences}
    rows = [
        describe(name, counts, found, judged, rng)
        for name, counts in (lengths | {"tokens of the problem": found.prompt}).items()
    ]
    for what, tables, plain in (("beats", found.beats, PLAIN_BEATS), ("divergence", found.peaks, PLAIN_PEAKS)):
        if what == "beats":
            head = int(found.bimodality.argmax())
            name = f"beats, most bimodal head ({head // 8}.{head % 8}), the paper's choice"
            rows.append(describe(name, tables[plain][:, head], found, judged, rng))
        picked: dict[tuple[str, int], str] = {}
        for settings in ({plain: tables[plain]}, tables):
            for given in (False, True):
                how = f"best head{' and setting' if len(settings) > 1 else ''}{', given tokens' if given else ''}"
                picked.setdefault(choose(settings, found, chosen, given=given), how)
        for (setting, head), how in picked.items():
            where = f"{head // 8}.{head % 8}" + ("" if setting == plain else f", {setting}")
            rows.append(describe(f"{what}, {how} ({where})", tables[setting][:, head], found, judged, rng))
        rows.append(describe(f"{what}, mean over all heads", tables[plain].mean(axis=1), found, judged, rng))
    caption = (
        f"{len(found.steps)} problems with {found.steps.sum():,.0f} steps, {len(chosen)} to choose on and "
        f"{len(judged)} to judge by; heads as layer.head; correlations with the true number of steps:"
    )
    columns = ("Pearson", "Spearman", "Pearson, given tokens", "given tokens and the problem's", "off by, steps")
    heads = over_heads("beats", found.beats[PLAIN_BEATS], found, judged, rng)
    heads += over_heads("divergence", found.peaks[PLAIN_PEAKS], found, judged, rng)
    n_heads = found.bimodality.size
    chance = f"the greatest of {n_heads} by chance, 95 %"
    names = ("least", "quarter", "median", "three quarters", "greatest", chance)
    spread = tuple(Column(name, form=".2f") for name in names)
    return (
        Table(caption, tuple(map(Column, columns)), tuple(rows), "counts", "count"),
        Table(f"Over the {n_heads} heads, on the second half:", spread, tuple(heads), "heads", "Pearson"),
    )


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="write what was counted there, or read it if it is there")
    add_out(parser)
    options = parser.parse_args()
    recording = begin("step-counts", options.out)
    drawn = itertools.islice(stream("benchmarks/step_counts", "heldout"), options.problems)
    problems = list({problem.id: problem for problem in drawn}.values())
    if options.keep and options.keep.exists():
        counted = {name: values.astype(np.float64) for name, values in np.load(options.keep).items()}
    else:
        counted = measure(problems, options.device, options.workers)
        if options.keep:
            np.savez_compressed(options.keep, allow_pickle=False, **counted)
    order = np.random.default_rng(2026).permutation(len(problems))
    half = len(problems) // 2
    tables = judge(take_apart(counted, problems), np.sort(order[:half]), np.sort(order[half:]))
    recording.save("What attention says of the number of steps, beside what lengths say", tables)


if __name__ == "__main__":
    main()
