"""How fast chunks of problems become chunks of signals, beside the forward pass alone; and how many bytes they take.

    python -m benchmarks.extraction [--problems 7842] [--rounds 3] [--out DIR]   # on a GPU: Qwen2-7B's geometry
    python -m benchmarks.extraction --tiny --problems 64                         # anywhere: to see that it runs
    python -m benchmarks.extraction --bytes                                      # anywhere: bytes of real signals

The model has random weights in bfloat16, so its signals are noise and compress worse than real ones: `--bytes` measures
those of the sample teacher. Lengths are drawn like those of MATH's solutions: a lognormal with a median of 450 tokens,
cut to 150 to 1,200, of which 60 to 200 are the prompt. What is timed is the whole way: from chunks of problems in a
folder, through tokenizing, the device and compression, to chunks of signals in a folder.

The forward pass alone is given everything: the same batches, tokenized before, in the device's memory before, nothing
read of its attention, nothing fetched.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

import samples
from benchmarks.encodings import read_problems
from benchmarks.record import Recording, add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from gpu_workers.batching import cut_batches
from gpu_workers.extract import ExtractParams, extract_chunk, make_reader, make_stage, tidy_params
from gpu_workers.pipeline import WINDOW, Desk, PipelineExecutor, cut_windows
from gpu_workers.teacher import Encoded, Teacher, load_teacher
from gpu_workers.wanted import SIGNALS
from mycelium.datasets import PROBLEMS
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Header, Provenance, chunk_key, encode_chunk, head_columns
from mycelium.store import LocalStore, Store

CHUNK = 64
OF = Provenance("bench", "generated")
PAPER_BYTES = 4.7e6
HEADS, GENERATED = 784, 450
"""All heads of a 7B teacher; generated tokens of a problem of 600."""
SOME = 16
"""Chunks that are read in every way and in turn with the forward pass."""

QWEN2_7B = {
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "hidden_size": 3584,
    "intermediate_size": 18944,
}
TINY = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 64,
    "intermediate_size": 96,
}
WAYS = {
    "iaf": ExtractParams(signals="iaf"),
    "iaf+entropy+connectivity": ExtractParams(signals="iaf,entropy,connectivity"),
    "… compact": ExtractParams(signals="iaf,entropy,connectivity", compact=True),
    "… and received": ExtractParams(signals="iaf,entropy,connectivity,received"),
    "… and jsd": ExtractParams(signals="iaf,entropy,connectivity,jsd"),
}
MAIN = "iaf+entropy+connectivity"


@dataclass
class Measured:
    """One run over the whole way.

    Attributes:
        way: what was read.
        problems: problems read.
        wall_s: from the plan to the manifest.
        device_s: from the device's first batch to its last: computing and waiting.
        waited_share: what of that it waited.
        cpu_s: processor time of all threads.
        bytes_a_problem: on disk, `tokens` included.
        padded_share: what of the tokens computed were padding.
    """

    way: str
    problems: int
    wall_s: float
    device_s: float
    waited_share: float
    cpu_s: float
    bytes_a_problem: float
    padded_share: float


def make_teacher(geometry: dict[str, int], device: str) -> Teacher:
    """Make a Qwen2 model with random weights; its tokenizer is the sample's, a token for each digit."""
    config = Qwen2Config(vocab_size=1024, max_position_embeddings=4096, tie_word_embeddings=True, **geometry)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    with torch.device(device):
        model: Any = Qwen2ForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    return Teacher(model, AutoTokenizer.from_pretrained(samples.TEACHER_DIR), "random@000000000000")


def draw_problems(n: int, seed: int = 0) -> list[pa.Table]:
    """Draw chunks of problems whose lengths in tokens are like those of MATH."""
    rng = np.random.default_rng(seed)
    tables = []
    for start in range(0, n, CHUNK):
        rows = []
        for index in range(start, min(start + CHUNK, n)):
            total = int(np.clip(rng.lognormal(np.log(450), 0.55), 150, 1200))
            n_prompt = min(int(rng.integers(60, 200)), total - 60)
            digits = ["".join(map(str, rng.integers(0, 10, size))) for size in (n_prompt, total - n_prompt)]
            rows.append(
                {
                    "problem_id": f"p{index}",
                    "index": index,
                    "problem": digits[0],
                    "chain_of_thought": digits[1],
                    "level": index % 5 + 1,
                }
            )
        schema = PROBLEMS.arrow_schema()
        tables.append(pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema))
    return tables


def write_problems(store: Store, tables: Sequence[pa.Table]) -> Manifest:
    """Write chunks of problems, as ingest does."""
    outcomes = []
    for i, table in enumerate(tables):
        chunk_id = f"{i:05d}"
        data = encode_chunk(PROBLEMS, table, Header(PROBLEMS.name, PROBLEMS.version, chunk_id, OF, "bench"))
        key = chunk_key(PROBLEMS, "bench-000000000000", chunk_id)
        store.put(key, data, mode="create")
        ref = ObjectRef(PROBLEMS.name, key, len(data), digest(data))
        outcomes.append(Outcome(chunk_id, "done", (ref,), n_problems=table.num_rows))
    manifest = Manifest(
        run_id="bench-000000000000",
        provenance=OF,
        stage="ingest",
        stage_version=1,
        params={},
        commit="",
        executor="bench",
        inputs=(),
        finished_s=1.0,
        wall_s=0.0,
        complete=True,
        n_chunks=len(tables),
        outcomes=tuple(outcomes),
    )
    write_manifest(store, manifest, (PROBLEMS,))
    return manifest


def measure_run(teacher: Teacher, way: str, tables: Sequence[pa.Table], batch_tokens: int | None) -> Measured:
    """Extract chunks of problems, from a folder into a folder."""
    folder = Path(tempfile.mkdtemp())
    try:
        store = LocalStore(folder)
        source = write_problems(store, tables)
        params = tidy_params(replace(WAYS[way], dtype="bfloat16"), teacher)
        desk, reader = Desk(), make_reader(teacher, params, batch_tokens)
        stage = make_stage(teacher, params, desk.read)
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        plan = plan_run(store, store, stage, params, [source], teacher.identity)
        executor = PipelineExecutor(stage, desk, reader, lambda _: store)
        manifest = run_plan(store, plan, executor, watch=reader.meter, quiet=True)
        wall_s = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        assert manifest.complete, manifest.failed[0].error
        n = sum(table.num_rows for table in tables)
        written = sum(ref.size for outcome in manifest.outcomes for ref in outcome.outputs)
        meter = reader.meter
        return Measured(
            way=way,
            problems=n,
            wall_s=wall_s,
            device_s=meter.busy_s + meter.waited_s,
            waited_share=meter.share_waited,
            cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            bytes_a_problem=written / n,
            padded_share=1 - meter.tokens / meter.padded_tokens,
        )
    finally:
        shutil.rmtree(folder)


def measure_forward(teacher: Teacher, tables: Sequence[pa.Table], batch_tokens: int) -> float:
    """Return the seconds of the forward pass alone over the same batches, all in the device's memory before."""
    model = teacher._model  # noqa: SLF001 - the plain forward pass is its peer
    batches = []
    for window in cut_windows(tables, WINDOW):
        rows = [row for table in window for row in table.to_pylist()]
        encoded = [teacher.encode(row["problem"], row["chain_of_thought"]) for row in rows]
        cut = cut_batches([len(item) for item in encoded], batch_tokens)
        batches += [_pad([encoded[i] for i in batch]).to(model.device) for batch in cut]
    with torch.inference_mode():
        _synchronize()
        start_s = time.perf_counter()
        for tokens in batches:
            model.base_model(input_ids=tokens, use_cache=False)
        _synchronize()
    return time.perf_counter() - start_s


def _pad(batch: Sequence[Encoded]) -> torch.Tensor:
    tokens = torch.zeros((len(batch), max(map(len, batch))), dtype=torch.long)
    for row, encoded in enumerate(batch):
        tokens[row, : len(encoded)] = torch.tensor(encoded.input_ids + encoded.generated_ids)
    return tokens


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def say(one: Measured, forward_s: float) -> None:
    """Print a run as soon as it is done."""
    print(f"{one.way}: {one.problems} problems, {forward_s / one.wall_s:.1%} of the forward pass's rate", flush=True)


def measure_speed(recording: Recording, n_problems: int, rounds: int, batch_tokens: int, *, tiny: bool) -> None:
    """Time the whole first, then some of it in turn with the forward pass and in every way, and record."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    teacher = make_teacher(TINY if tiny else QWEN2_7B, device)
    tables = draw_problems(n_problems)
    some = tables[:SOME]
    ways = [MAIN] if tiny else list(WAYS)
    for way in ways:  # compiles the kernels
        measure_run(teacher, way, some[:1], batch_tokens)
    measure_forward(teacher, some, batch_tokens)
    whole_forward_s = measure_forward(teacher, tables, batch_tokens)
    whole = measure_run(teacher, MAIN, tables, batch_tokens)
    say(whole, whole_forward_s)
    forward_s: list[float] = []
    runs: dict[str, list[Measured]] = {way: [] for way in ways}
    for number in range(rounds):
        forward_s.append(measure_forward(teacher, some, batch_tokens))
        for way in ways:
            if way == MAIN or number == 0:
                runs[way].append(measure_run(teacher, way, some, batch_tokens))
                say(runs[way][-1], forward_s[-1])
    lengths = [len(row["problem"]) + len(row["chain_of_thought"]) for table in tables for row in table.to_pylist()]
    caption = (
        f"{np.mean(lengths):.0f} tokens a problem (median {np.median(lengths):.0f}, {min(lengths)} to {max(lengths)}), "
        f"batches of {batch_tokens} tokens, of which {whole.padded_share:.1%} are padding; the forward pass alone has "
        f"the same batches, in the device's memory before, and reads nothing."
    )
    rows = [_row("the forward pass alone", whole.problems, (whole_forward_s,), (whole_forward_s,), [])]
    rows += [_row(MAIN, whole.problems, (whole.wall_s,), (whole_forward_s,), [whole])]
    n_some = runs[MAIN][0].problems
    rows += [_row("the forward pass alone", n_some, tuple(forward_s), tuple(forward_s), [])]
    rows += [
        _row(way, n_some, tuple(run.wall_s for run in some_runs), tuple(forward_s), some_runs)
        for way, some_runs in runs.items()
    ]
    columns = (
        Column("problems"),
        Column("problems a second"),
        Column("of the forward pass's rate", form=".1%"),
        Column("while the device is at it", form=".1%"),
        Column("device waited", form=".2%"),
        Column("CPU a problem", "ms"),
        Column("on disk a problem", "MB"),
    )
    share = whole_forward_s / whole.wall_s
    figures = (
        Figure("share", f"{n_problems:,} problems of mixed lengths, rate over the forward pass's", share, "",
               "the forward pass alone", 1.0, at_least=0.9, form=".3f"),
        Figure("rate", "7B teacher, three signals of 784 heads", whole.problems / whole.wall_s, "problems/s"),
    )  # fmt: skip
    recording.save(
        "From chunks of problems to chunks of signals, beside the forward pass alone",
        [Table(caption, columns, tuple(rows), name="speed")],
        figures,
        (f"torch {torch.__version__}", f"transformers {transformers.__version__}"),
        torch.cuda.get_device_name() if device == "cuda" else "",
    )


def _row(
    name: str, problems: int, wall_s: tuple[float, ...], forward_s: tuple[float, ...], runs: Sequence[Measured]
) -> tuple[Cell, ...]:
    """Return a line of the table; a rate is over the forward pass of the same round."""

    def each(attribute: str, per: float) -> Cell:
        return tuple(getattr(run, attribute) / per for run in runs) or None

    shares = tuple(ours / wall for wall, ours in zip(wall_s, forward_s, strict=False))
    on_device = tuple(ours / run.device_s for run, ours in zip(runs, forward_s, strict=False)) or None
    rates = tuple(problems / wall for wall in wall_s)
    told = (each("waited_share", 1), each("cpu_s", problems / 1e3), each("bytes_a_problem", 1e6))
    return (name, problems, rates, shares, on_device, *told)


def measure_bytes(recording: Recording) -> None:
    """Measure what real signals take, and what rounding them costs: the sample teacher's, over 64 of its problems."""
    teacher = load_teacher(str(samples.TEACHER_DIR), device="cpu")
    problems = read_problems()
    params = ExtractParams(signals="iaf,entropy,connectivity,received,jsd")
    words = tuple(SIGNALS)
    sizes: dict[str, list[float]] = {word: [] for word in words}
    tables = {}
    for compact in (False, True):
        _, *tables[compact] = extract_chunk(problems, teacher, replace(params, compact=compact))
        for word, table in zip(words, tables[compact], strict=True):
            header = Header(SIGNALS[word].name, 1, "00000", OF, "bench")
            keys = [name for name in table.column_names if name not in head_columns(table)]
            size = len(encode_chunk(SIGNALS[word], table, header))
            bare = len(encode_chunk(SIGNALS[word], table.select(keys), header))
            sizes[word].append((size - bare) / (table.num_rows * len(head_columns(table))))
    rows: list[tuple[Cell, ...]] = []
    for word, exact, rounded in zip(words, tables[False], tables[True], strict=True):
        one, other = (np.stack([t[n].to_numpy().astype(np.float64) for n in head_columns(t)]) for t in (exact, rounded))
        error = np.abs(one - other)
        rows.append((word, *sizes[word], float(error.max()), float((error / np.maximum(one, 1)).max())))
    values = Table(
        f"Bytes a value of the sample teacher's signals, {problems.num_rows} problems, and what `--compact` is off by.",
        (Column("exact", "bytes"), Column("compact", "bytes"), Column("error, at most", form=".4f"),
         Column("error of values above 1, at most", form=".4f")),
        tuple(rows),
        name="values",
    )  # fmt: skip
    figures = []
    for number, kind in enumerate(("exact", "compact")):
        each = sum(sizes[word][number] for word in ("iaf", "entropy", "connectivity")) * GENERATED * HEADS
        what = f"IAF, entropy and connectivity of {HEADS} heads over {GENERATED} generated tokens, {kind}"
        figures.append(Figure(kind, what, each / 1e6, "MB", "the paper", PAPER_BYTES / 1e6, at_most=1.2))
    recording.save("Bytes of signals on disk", [values], figures)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=7842)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--bytes", action="store_true")
    add_out(parser)
    given = parser.parse_args()
    if given.bytes:
        measure_bytes(begin("signal-bytes", given.out))
        return
    recording = begin("extraction", given.out)
    measure_speed(recording, given.problems, given.rounds, given.batch_tokens, tiny=given.tiny)


if __name__ == "__main__":
    main()
