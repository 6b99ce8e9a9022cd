"""The estimate against the truth: what `plan` says of the next data set, and what that then takes.

    python -m benchmarks.cost [--data ../shared/data] [--rounds 3] [--only steps labels heartbeat]

In each round a store is filled anew. A stage runs over one data set after the other, each of other texts or chunks
than those before; before each run but the first its time is foretold from the runs before it, three ways: by the line
through bytes and seconds that `plan` draws, by seconds for each byte, and by seconds for each problem. The wall time
foretold is that of the local executor. Nothing is asserted: the machine may be busy with other things between two runs,
and the error says so.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.heartbeat import PROBLEMS, write_run
from benchmarks.measure import describe_machine
from coordinator.cost.estimate import expect_local, predict_seconds
from coordinator.cost.evidence import Evidence, read_history
from coordinator.cost.planned import find_work
from coordinator.executors.local import LocalExecutor, count_cores
from coordinator.ingest.ingest import IngestParams, ingest_files
from coordinator.pipeline.given import cut_manifest
from lambdas.stages import find_stage
from mycelium.fields import parse_field_options
from mycelium.manifest import Manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore

TEXTS = (
    ("gsm8k", "gsm8k_train.jsonl.gz", 64, 2000),
    ("math", "math_visible.jsonl.gz", 64, 1500),
    ("gsm8k, small chunks", "gsm8k_train.jsonl.gz", 16, 1000),
    ("sampled chains", "cot_llama31_8b_math_train.jsonl.gz", 64, 1000),
    ("math, large chunks", "math_visible.jsonl.gz", 200, 3000),
)
"""Name, file, problems to a chunk, problems."""

SIGNALS = (8, 24, 12, 40)
"""Chunks of iaf: nothing but their number differs."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """What was said of one run before it, and what it took.

    Attributes:
        stage: whose run.
        data: what it read.
        likely_s: the tasks' seconds, by the line.
        low_s: the low end of its interval.
        high_s: the high end.
        by_byte_s: the same by seconds for each byte.
        by_problem_s: the same by seconds for each problem.
        task_s: what the tasks took.
        wall_likely_s: seconds to pass, as foretold.
        wall_s: those that passed.
    """

    stage: str
    data: str
    likely_s: float
    low_s: float
    high_s: float
    by_byte_s: float
    by_problem_s: float
    task_s: float
    wall_likely_s: float
    wall_s: float


def foretell_and_run(
    store: LocalStore, stage_name: str, data: str, inputs: Manifest
) -> tuple[Foretold | None, Manifest]:
    """Say what a run will take, if anything is known, and run it."""
    stage: Any = find_stage(stage_name)
    plan = plan_run(store, store, stage, stage.params, [inputs])
    history, work, workers = read_history(store, stage, stage.params, store), find_work(plan), count_cores()
    evidence = history.find_evidence(on_lambda=False)
    by_problem = history.find_evidence(on_lambda=False, unit="problems")
    manifest = run_plan(store, plan, LocalExecutor(workers), quiet=True)
    assert manifest.complete
    if evidence is None or by_problem is None:
        return None, manifest
    task_s = predict_seconds(evidence, work.sizes)
    wall_s = expect_local(evidence, work, workers).wall_s
    assert wall_s is not None
    n_problems = sum(outcome.n_problems for outcome in inputs.outcomes)
    return (
        Foretold(
            stage_name,
            data,
            task_s.likely,
            task_s.low,
            task_s.high,
            _pace(evidence) * sum(work.sizes),
            _pace(by_problem) * n_problems,
            sum(outcome.wall_s for outcome in manifest.outcomes),
            wall_s.likely,
            manifest.wall_s,
        ),
        manifest,
    )


def _pace(evidence: Evidence) -> float:
    return sum(sample.seconds for sample in evidence.samples) / sum(sample.size for sample in evidence.samples)


def run_texts(store: LocalStore, data: Path, stages: Sequence[str]) -> Iterator[Foretold]:
    """Run `steps` and what reads it over texts of several kinds."""
    for name, file, chunk_size, limit in TEXTS:
        params = IngestParams(chunk_size, limit, None, "")
        before = ingest_files(
            store, [data / file], name.replace(", ", "-").replace(" ", "-"), params, parse_field_options(())
        )
        for stage in ("steps", "labels"):
            foretold, before = foretell_and_run(store, stage, name, before)
            if foretold is not None and stage in stages:
                yield foretold


def run_signals(store: LocalStore) -> Iterator[Foretold]:
    """Run `heartbeat` over signals made up, more and fewer chunks of them."""
    made = write_run(store, max(SIGNALS))
    whole = replace(made, outcomes=tuple(replace(outcome, n_problems=PROBLEMS) for outcome in made.outcomes))
    for n_chunks in SIGNALS:
        some = cut_manifest(whole, {outcome.chunk_id for outcome in whole.outcomes[:n_chunks]})
        foretold, _ = foretell_and_run(store, "heartbeat", f"{n_chunks} chunks", some)
        if foretold is not None:
            yield foretold


def tell(found: Sequence[Foretold]) -> None:
    """Print each run's errors, and the medians."""
    print(f"\nSeconds foretold and taken\n{describe_machine()}")
    print(
        f"{'stage':10} {'next data':22} {'foretold s (10 to 90 %)':>26} {'taken':>7} {'error':>7} {'by byte':>8}",
        end="",
    )
    print(f" {'by problem':>11} {'wall foretold':>14} {'taken':>7} {'error':>7}")
    errors: dict[str, list[float]] = defaultdict(list)
    for one in found:
        each = {
            "by line": one.likely_s / one.task_s - 1,
            "by byte": one.by_byte_s / one.task_s - 1,
            "by problem": one.by_problem_s / one.task_s - 1,
            "wall": one.wall_likely_s / one.wall_s - 1,
        }
        for way, error in each.items():
            errors[way].append(abs(error))
        span = f"{one.likely_s:.2f} ({one.low_s:.2f} to {one.high_s:.2f})"
        print(
            f"{one.stage:10} {one.data:22} {span:>26} {one.task_s:7.2f} {each['by line']:7.0%} {each['by byte']:8.0%} "
            f"{each['by problem']:11.0%} {one.wall_likely_s:14.2f} {one.wall_s:7.2f} {each['wall']:7.0%}"
        )
    print(f"\nmedian error of {len(found)}: ", end="")
    print(
        ", ".join(
            f"{way} {statistics.median(values):.0%} (at most {max(values):.0%})" for way, values in errors.items()
        )
    )
    inside = sum(one.low_s <= one.task_s <= one.high_s for one in found)
    print(f"within the interval: {inside} of {len(found)}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["steps", "labels", "heartbeat"])
    asked = parser.parse_args()
    found: list[Foretold] = []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            store = LocalStore(Path(folder))
            if asked.data.exists() and {"steps", "labels"} & set(asked.only):
                found += run_texts(store, asked.data, asked.only)
            if "heartbeat" in asked.only:
                found += run_signals(store)
    tell(found)


if __name__ == "__main__":
    main()
