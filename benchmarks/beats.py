"""Which rule for beats counts computation steps: plain or debounced, against the steps that the generator knows.

    python -m benchmarks.beats [--min-run 5]

Over the 200 problems of the sample, by the sample teacher. Prints the Pearson correlation of beats with true steps, for
the best head and over all heads, and within levels (the mean of the five correlations), where length explains less; the
number of tokens stands beside as the baseline that needs no attention. ADR 0001 quotes the table.
"""

import argparse
import gzip
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import samples
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Table
from gpu_workers.extract import ExtractParams, extract_chunk
from gpu_workers.teacher import load_teacher
from mycelium.datasets import PROBLEMS
from mycelium.foreign.fields import Problem, understand_row
from mycelium.schema import head_columns, trace_bounds
from mycelium.signals.heartbeat import THRESHOLD, find_phases, is_at_least

Counts = npt.NDArray[np.float64]
Rule = Callable[[npt.NDArray[np.bool_], npt.NDArray[np.int64], int], Counts]


def count_plain(reading: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64], min_run: int) -> Counts:
    """Count runs of reasoning of at least `min_run` tokens: the definition in use."""
    phases = find_phases(reading, starts, min_run)
    return np.bincount(phases.trace[~phases.reading], minlength=len(starts)).astype(np.float64)


def count_debounced(reading: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64], min_run: int) -> Counts:
    """Count the same after joining runs of one state that only short runs part."""
    phases = find_phases(reading, starts, min_run)
    joined = np.zeros(len(phases.trace), np.bool_)
    joined[1:] = (phases.trace[1:] == phases.trace[:-1]) & (phases.reading[1:] == phases.reading[:-1])
    kept = ~phases.reading & ~joined
    return np.bincount(phases.trace[kept], minlength=len(starts)).astype(np.float64)


def read_sample() -> tuple[pa.Table, list[dict[str, Any]]]:
    """Read the teacher's attention over the sample, and the generator's records, in the same order."""
    with gzip.open(samples.PROBLEMS_FILE, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    rows = []
    for number, record in enumerate(records):
        problem = understand_row(record, {}, str(number))
        assert isinstance(problem, Problem)
        rows.append({name: getattr(problem, name, number) for name in PROBLEMS.arrow_schema().names})
    table = pa.Table.from_pylist(rows, schema=PROBLEMS.arrow_schema())
    teacher = load_teacher(str(samples.TEACHER_DIR), device="cpu")
    return extract_chunk(table, teacher, ExtractParams())[1], records


def correlate(counts: Counts, steps: Counts) -> float:
    """Return Pearson's correlation, 0 where one side does not vary."""
    return float(np.corrcoef(counts, steps)[0, 1]) if counts.std() and steps.std() else 0.0


def within_levels(counts: Counts, steps: Counts, levels: Counts) -> float:
    """Return the mean over levels of the correlation within each."""
    return float(np.mean([correlate(counts[levels == level], steps[levels == level]) for level in range(1, 6)]))


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--min-run", type=int, default=5)
    add_out(parser)
    options = parser.parse_args()
    min_run = options.min_run
    recording = begin("beats", options.out)
    iaf, records = read_sample()
    steps = np.array([record["n_steps"] for record in records], np.float64)
    levels = np.array([record["level"] for record in records], np.float64)
    rules: dict[str, Rule] = {"plain": count_plain, "debounced": count_debounced}
    found: dict[str, list[tuple[float, float, str, Counts]]] = {name: [] for name in rules}
    bounds = trace_bounds(iaf, "layer").tolist()
    lengths = np.zeros(len(steps))
    for layer in range(len(bounds) - 1):
        table = iaf.slice(bounds[layer], bounds[layer + 1] - bounds[layer])
        traces = trace_bounds(table)
        lengths = np.diff(traces).astype(np.float64)
        for name in head_columns(table):
            reading = is_at_least(table[name].to_numpy(), THRESHOLD)
            for rule, count in rules.items():
                counts = count(reading, traces[:-1], min_run)
                where = f"layer {layer} {name}"
                found[rule].append((correlate(counts, steps), within_levels(counts, steps, levels), where, counts))
    rows: list[tuple[Cell, ...]] = []
    for rule, results in found.items():
        best = max(results, key=lambda result: result[0])
        mean, inside = float(np.mean([result[0] for result in results])), max(result[1] for result in results)
        rows.append((f"{rule} ({best[2]})", best[0], mean, inside, _by_level(best[3], levels)))
    rows.append(("tokens", correlate(lengths, steps), None, within_levels(lengths, steps, levels), ""))
    rows.append(("true steps", None, None, None, _by_level(steps, levels)))
    numbers = [Column(name, form=".2f") for name in ("best head", "all heads", "best, within levels")]
    columns = (*numbers, Column("mean by level, best head"))
    caption = f"{len(records)} problems, minimum run {min_run}; correlation with the true number of steps."
    recording.save("Which rule for beats counts steps", [Table(caption, columns, tuple(rows), label="rule")])


def _by_level(counts: Counts, levels: Counts) -> str:
    return ", ".join(f"{counts[levels == level].mean():.1f}" for level in range(1, 6))


if __name__ == "__main__":
    main()
