"""How fast chunks of problems become chunks of signals, beside the forward pass alone; and how many bytes they take.

    python -m benchmarks.extraction [--problems 1536] [--rounds 3] [--json FILE]     # on a GPU: Qwen2-7B's geometry
    python -m benchmarks.extraction --tiny                                           # anywhere: to see that it runs
    python -m benchmarks.extraction --bytes                                          # anywhere: bytes of real signals

The model has random weights in bfloat16, so its signals are noise and compress worse than real ones: `--bytes` measures
those of the sample teacher. Lengths are drawn like those of MATH's solutions: a lognormal with a median of 450 tokens,
cut to 150 to 1,200, of which 60 to 200 are the prompt. What is timed is the whole way: from chunks of problems in a
folder, through tokenizing, the device and compression, to chunks of signals in a folder.

The forward pass alone is given everything: the same batches, tokenized before, in the device's memory before, nothing
read of its attention, nothing fetched.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

import samples
from benchmarks.encodings import read_problems
from benchmarks.measure import describe_machine
from gpu_workers.batching import cut_batches
from gpu_workers.extract import ExtractParams, extract_chunk, make_reader, make_stage, tidy_params
from gpu_workers.pipeline import WINDOW, Desk, PipelineExecutor
from gpu_workers.teacher import Encoded, Teacher, load_teacher
from gpu_workers.wanted import SIGNALS
from mycelium.datasets import PROBLEMS, TOKENS
from mycelium.manifest import Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Header, Provenance, chunk_key, encode_chunk, head_columns
from mycelium.store import LocalStore, Store

CHUNK = 64
OF = Provenance("bench", "generated")
PAPER_BYTES = 4.7e6
HEADS = 784
"""All heads of a 7B teacher."""

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
    for start in range(0, len(tables), WINDOW):
        rows = [row for table in tables[start : start + WINDOW] for row in table.to_pylist()]
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


def describe(measured: Sequence[Measured], forward_s_each: float) -> str:
    """Return one line of the table: medians of some runs of one way."""
    one = measured[0]

    def middle(name: str) -> float:
        return float(statistics.median(getattr(run, name) for run in measured))

    return (
        f"{one.way:26}  {one.problems:5}  {one.problems / middle('wall_s'):10.1f}  "
        f"{one.problems * forward_s_each / middle('wall_s'):9.1%}  "
        f"{one.problems * forward_s_each / middle('device_s'):9.1%}  {middle('waited_share'):7.2%}  "
        f"{middle('cpu_s') / one.problems * 1e3:10.1f}  {middle('bytes_a_problem') / 1e6:9.2f}"
    )


def measure_speed(n_problems: int, rounds: int, batch_tokens: int, *, tiny: bool) -> dict[str, Any]:
    """Time everything, and print the table."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    teacher = make_teacher(TINY if tiny else QWEN2_7B, device)
    tables = draw_problems(n_problems)
    some = tables[: max(WINDOW * 2, 1)]
    n_some = sum(table.num_rows for table in some)
    lengths = [len(row["problem"]) + len(row["chain_of_thought"]) for table in tables for row in table.to_pylist()]
    ways = [MAIN] if tiny else list(WAYS)
    for way in ways:  # compiles the kernels
        measure_run(teacher, way, some[:1], batch_tokens)
    forward = []
    runs: dict[str, list[Measured]] = {way: [] for way in ways}
    for number in range(rounds):
        forward.append(measure_forward(teacher, some, batch_tokens) / n_some)
        for way in ways:
            if way == MAIN or number == 0:
                runs[way].append(measure_run(teacher, way, some, batch_tokens))
    whole_forward = measure_forward(teacher, tables, batch_tokens) / n_problems
    whole = measure_run(teacher, MAIN, tables, batch_tokens)
    each = statistics.median(forward)
    print(f"\n{torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}; {describe_machine()}")
    print(
        f"{np.mean(lengths):.0f} tokens a problem (median {np.median(lengths):.0f}); batches of {batch_tokens} tokens"
    )
    print(f"forward alone: {each * 1e3:.2f} ms a problem, {1 / each:.1f} problems/s, rounds {forward}")
    print(f"padding: {whole.padded_share:.1%} of what was computed\n")
    print(f"{'':26}  {'n':>5}  problems/s  of forward  on device   waited  CPU ms/prob.  MB a problem")
    for way in ways:
        print(describe(runs[way], each))
    print(describe([whole], whole_forward), " <- one run, against the forward pass over the same problems")
    return {
        "forward_ms_a_problem": [value * 1e3 for value in forward],
        "whole": asdict(whole),
        "whole_forward_ms_a_problem": whole_forward * 1e3,
        "runs": {way: [asdict(run) for run in some_runs] for way, some_runs in runs.items()},
        "mean_tokens": float(np.mean(lengths)),
        "cores": os.cpu_count(),
    }


def measure_bytes() -> dict[str, Any]:
    """Measure what real signals take: the sample teacher's, over 64 of its problems."""
    teacher = load_teacher(str(samples.TEACHER_DIR), device="cpu")
    problems = read_problems()
    params = ExtractParams(signals="iaf,entropy,connectivity,received,jsd")
    words = tuple(SIGNALS)
    out: dict[str, Any] = {}
    tables = {}
    for compact in (False, True):
        tokens, *tables[compact] = extract_chunk(problems, teacher, replace(params, compact=compact))
        for word, table in zip(words, tables[compact], strict=True):
            header = Header(SIGNALS[word].name, 1, "00000", OF, "bench")
            keys = [name for name in table.column_names if name not in head_columns(table)]
            start = time.perf_counter()
            size = len(encode_chunk(SIGNALS[word], table, header))
            out[f"{word}{' compact' if compact else ''}"] = {
                "bytes_a_value": (size - len(encode_chunk(SIGNALS[word], table.select(keys), header)))
                / (table.num_rows * len(head_columns(table))),
                "ns_a_value": (time.perf_counter() - start) / (table.num_rows * len(head_columns(table))) * 1e9,
            }
    print(f"\nbytes a value of the sample teacher's signals, {problems.num_rows} problems\n{describe_machine()}")
    for name, row in out.items():
        print(f"{name:24}  {row['bytes_a_value']:.3f} B  {row['ns_a_value']:6.1f} ns to encode")
    for word, exact, rounded in zip(words, tables[False], tables[True], strict=True):
        one, other = (np.stack([t[n].to_numpy().astype(np.float64) for n in head_columns(t)]) for t in (exact, rounded))
        error = np.abs(one - other)
        print(
            f"{word:24}  compact is off by {error.max():.4f} at most, "
            f"{(error / np.maximum(one, 1)).max():.4f} of values above 1"
        )
    for n in (450, 600):
        for kind in ("", " compact"):
            each = sum(out[f"{word}{kind}"]["bytes_a_value"] for word in ("iaf", "entropy", "connectivity")) * n * HEADS
            print(
                f"{kind.strip() or 'exact'}: iaf+entropy+connectivity of {HEADS} heads over {n} generated tokens take "
                f"{each / 1e6:.2f} MB; the paper's {PAPER_BYTES / 1e6:.1f}"
            )
    out["tokens_bytes_a_problem"] = len(encode_chunk(TOKENS, tokens, Header("tokens", 1, "0", OF, "b"))) / 64
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=1536)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--bytes", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.bytes:
        told = measure_bytes()
    else:
        told = measure_speed(given.problems, given.rounds, given.batch_tokens, tiny=given.tiny)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
