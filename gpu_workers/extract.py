"""Extraction: the stage that brings the teacher in, `problems` to `tokens` and the signals of its attention."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpu_workers.device import TorchDevice
from gpu_workers.reader import Answer, Reader, Readout
from gpu_workers.teacher import Encoded, Teacher
from gpu_workers.wanted import RAW, SIGNALS, Wanted, read_numbers, read_words
from mycelium.datasets import ATTENTION, PROBLEMS, TOKENS
from mycelium.errors import BadSignalError, UserInputError
from mycelium.manifest import Manifest
from mycelium.plan import Plan
from mycelium.schema import Result
from mycelium.stage import Stage
from mycelium.stats import Tally, add_tallies
from mycelium.traces import Traces, Weights, tabulate_weights

BATCH_TOKENS = {"cuda": 8192, "cpu": 4096}
"""Tokens of a batch with padding, at most, by the kind of device: enough to fill it, and no more, since the fewer
problems there are in a batch, the less padding they need. ADR 0051 has the shares."""

N_NAMED = 20
"""Problems that could not be read, named in the manifest with the reason; `tokens` has them all."""


@dataclass(frozen=True, slots=True)
class ExtractParams:
    """What decides the signals, beside teacher and problems.

    Attributes:
        sink: whether the first token counts as input (``keep``) or is left out (``exclude``).
        dtype: the precision of the model.
        signals: what is written, as `gpu_workers.wanted.read_words` reads it, in its order.
        window: the generated tokens in each of the two windows that ``jsd`` compares.
        layers: for ``raw``, the layers, as `gpu_workers.wanted.write_numbers` writes them.
        heads: for ``raw``, the heads of those layers.
        compact: whether signals are rounded to fewer bytes, as `mycelium.signals.rounding.COMPACT` has it.
    """

    sink: str = "keep"
    dtype: str = "float32"
    signals: str = "iaf"
    window: int = 16
    layers: str = ""
    heads: str = ""
    compact: bool = False


ReadProblems = Callable[[Sequence[Encoded]], Sequence[Answer]]
"""Reads problems, and returns what was read of each, or why it could not be."""


def make_wanted(params: ExtractParams, n_layers: int, n_heads: int) -> Wanted:
    """Return what is to be read of a teacher.

    Args:
        params: see there.
        n_layers: the teacher's layers.
        n_heads: its heads in each.

    Raises:
        UserInputError: a parameter has no meaning, or none for this teacher.
    """
    if params.window < 1:
        raise UserInputError(f"--window is 1 or more; got {params.window}")
    if params.sink not in {"keep", "exclude"}:
        raise UserInputError(f"sink is keep or exclude; got {params.sink!r}")
    signals, raw = read_words(params.signals)
    if not raw and (params.layers or params.heads):
        raise UserInputError("--layers and --heads say whose attention itself is written: they go with --signals raw")
    if raw and not (params.layers and params.heads):
        raise UserInputError("--signals raw wants --layers and --heads: every matrix of a model is too much to write")
    return Wanted(
        signals,
        without_sink=params.sink == "exclude",
        window=params.window,
        layers=read_numbers(params.layers, "--layers", n_layers) if raw else (),
        heads=read_numbers(params.heads, "--heads", n_heads) if raw else (),
        compact=params.compact,
    )


def tidy_params(params: ExtractParams, teacher: Teacher) -> ExtractParams:
    """Return the same parameters in the one way of writing them, so that they make the same run.

    Raises:
        UserInputError: a parameter has no meaning, or none for this teacher.
    """
    wanted = make_wanted(params, teacher.n_layers, teacher.n_heads)
    words = (*wanted.signals, *([RAW] if wanted.layers else []))
    layers, heads = (",".join(map(str, numbers)) for numbers in (wanted.layers, wanted.heads))
    window = params.window if "jsd" in wanted.signals else ExtractParams().window
    return replace(params, signals=",".join(words), window=window, layers=layers, heads=heads)


def make_reader(teacher: Teacher, params: ExtractParams, batch_tokens: int | None = None) -> Reader:
    """Return what drives a teacher's device.

    Args:
        teacher: who reads.
        params: see there.
        batch_tokens: tokens of a batch with padding, at most; None for `BATCH_TOKENS`.
    """
    wanted = make_wanted(params, teacher.n_layers, teacher.n_heads)
    return Reader(
        TorchDevice(teacher, wanted), batch_tokens or BATCH_TOKENS.get(teacher.device_type, BATCH_TOKENS["cpu"])
    )


def make_stage(teacher: Teacher, params: ExtractParams, read: ReadProblems) -> Stage[ExtractParams]:
    """Return the stage `extract` over a teacher.

    How problems are put together in batches is no parameter of the run: it changes speed and memory, and of the values
    no more than roundings of the model's precision do.

    Args:
        teacher: who reads.
        params: see there.
        read: reads problems; called from many threads.
    """
    wanted = make_wanted(params, teacher.n_layers, teacher.n_heads)
    tokenizing = Lock()  # a tokenizer of transformers is one thread's at a time

    def map_problems(tables: Sequence[pa.Table], chosen: ExtractParams) -> list[pa.Table]:
        del chosen
        rows = tables[0].to_pylist()
        with tokenizing:
            encoded = [teacher.encode(row["problem"], row["chain_of_thought"]) for row in rows]
        return read_chunk(rows, encoded, wanted, teacher, read)

    return Stage(
        name="extract",
        version=2,
        summary="read the teacher's attention over each chain of thought, and keep the signals asked for",
        reads=(PROBLEMS,),
        writes=(TOKENS, *wanted.datasets),
        params=params,
        map=map_problems,
        summarize=summarize_tokens,
        reduce=add_tokens,
        conclude=conclude_tokens,
    )


def extract_chunk(
    problems: pa.Table, teacher: Teacher, params: ExtractParams, batch_tokens: int | None = None
) -> list[pa.Table]:
    """Read the attention over one chunk of problems, by itself.

    Args:
        problems: rows of `problems`.
        teacher: who reads them.
        params: see there.
        batch_tokens: tokens of a batch with padding, at most.

    Returns:
        A table of `tokens`, one row for each problem, and one for each signal, by layer, then problem, then token.
    """
    reader = make_reader(teacher, params, batch_tokens)
    return list(make_stage(teacher, params, reader.read_all).map([problems], params))


def read_chunk(
    rows: list[dict[str, Any]], encoded: list[Encoded], wanted: Wanted, teacher: Teacher, read: ReadProblems
) -> list[pa.Table]:
    """Read the attention over one chunk of problems, as far as they can be read.

    A problem that can't be read is written down in `tokens` with the reason, and the others go on. If not one of those
    that the model should have read could be, it is the model or the machine, and the chunk fails.

    Args:
        rows: those of `problems`.
        encoded: the same as the teacher sees them.
        wanted: what to read.
        teacher: who reads.
        read: reads problems.

    Raises:
        BadSignalError: no problem could be read; the message names the first, and why.
    """
    skipped = [_reason_to_skip(item, teacher.max_tokens) for item in encoded]
    sent = [i for i, reason in enumerate(skipped) if reason is None]
    readouts: dict[int, Readout] = {}
    for i, answer in zip(sent, read([encoded[i] for i in sent]) if sent else (), strict=True):
        if isinstance(answer, Exception):
            raise answer
        fault = answer if isinstance(answer, str) else _find_fault(answer)
        if fault is None and isinstance(answer, Readout):
            readouts[i] = answer
        skipped[i] = fault
    if sent and not readouts:
        raise BadSignalError(f"problem {rows[sent[0]]['problem_id']}: {skipped[sent[0]]}; nor could any other be read")
    tokens = {
        "problem_id": [row["problem_id"] for row in rows],
        "level": [row["level"] for row in rows],
        "n_input": [len(item.input_ids) for item in encoded],
        "n_generated": [len(item.generated_ids) for item in encoded],
        "tokens": [[] if skipped[i] else item.texts for i, item in enumerate(encoded)],
        "skipped": skipped,
    }
    order = sorted(readouts)
    n_input = [len(encoded[i].input_ids) for i in order]
    signals = _tabulate([rows[i] for i in order], n_input, [readouts[i] for i in order], wanted, teacher)
    return [pa.table(tokens, schema=TOKENS.arrow_schema()), *signals]


def _reason_to_skip(encoded: Encoded, max_tokens: int) -> str | None:
    if encoded.refusal:
        return encoded.refusal
    if not encoded.generated_ids:
        return "the chain of thought has no tokens"
    if not encoded.input_ids:
        return "the problem has no tokens"
    if len(encoded) > max_tokens:
        return f"{len(encoded)} tokens, and the model's context is {max_tokens}"
    return None


def _find_fault(readout: Readout) -> str | None:
    named = dict(readout.signals) | ({} if readout.weights is None else {"raw": readout.weights})
    for word, values in named.items():
        bad = ~np.isfinite(values)
        if bad.any():
            layer, head = np.argwhere(bad)[0][:2]
            return f"its attention is not finite: {word} of layer {layer}, head {head}, counted among those read"
    return None


def _tabulate(
    rows: list[dict[str, Any]], n_input: list[int], readouts: list[Readout], wanted: Wanted, teacher: Teacher
) -> Iterator[pa.Table]:
    """Yield the tables of what is wanted, in the order of `Wanted.datasets`."""
    ids, levels = [str(row["problem_id"]) for row in rows], [row["level"] for row in rows]
    if wanted.layers:
        yield tabulate_weights(
            ATTENTION,
            [
                Weights(layer, head, ids[i], levels[i], readout.weights[place, h], n_input[i])
                for place, layer in enumerate(wanted.layers)
                for h, head in enumerate(wanted.heads)
                for i, readout in enumerate(readouts)
                if readout.weights is not None
            ],
        )
    for word in wanted.signals:
        values = [readout.signals[word] for readout in readouts]
        yield Traces(ids, levels, values, range(teacher.n_layers), range(teacher.n_heads)).tabulate(SIGNALS[word])


def summarize_tokens(tables: Sequence[pa.Table]) -> pa.Table:
    """Count one chunk.

    Returns:
        A tally (`mycelium.stats.Tally`): ``problems`` and ``tokens`` read, ``skipped``, and ``why`` by problem and
        reason, as far as `N_NAMED` go.
    """
    tokens = tables[0]
    tally = Tally()
    was_read = tokens["skipped"].is_null()
    tally.add("problems", count=pc.sum(was_read).as_py() or 0)
    tally.add("tokens", count=pc.sum(tokens["n_generated"].filter(was_read)).as_py() or 0)
    left_out = tokens.filter(pc.invert(was_read))
    tally.add("skipped", count=left_out.num_rows)
    for problem_id, reason in zip(left_out["problem_id"].to_pylist(), left_out["skipped"].to_pylist(), strict=True):
        tally.add("why", msgspec.json.encode([problem_id, reason]))
    return add_tokens([tally.table()])


def add_tokens(parts: Sequence[pa.Table]) -> pa.Table:
    """Add parts; of the reasons the first `N_NAMED` are kept, in order of problem ids."""
    total = add_tallies(parts)
    is_reason = pc.equal(total["name"], "why")
    return pa.concat_tables([total.filter(pc.invert(is_reason)), total.filter(is_reason).slice(0, N_NAMED)])


def conclude_tokens(total: pa.Table, params: ExtractParams) -> Result:
    """Return how many problems were read and skipped, how many generated tokens were read, and why some were not."""
    del params
    counts = dict(zip(total["name"].to_pylist(), total["count"].to_pylist(), strict=True))
    why = [msgspec.json.decode(key) for key in total.filter(pc.equal(total["name"], "why"))["key"].to_pylist()]
    return {
        "read": [{name: counts.get(name, 0) for name in ("problems", "skipped", "tokens")}],
        "skipped": [{"problem_id": problem_id, "reason": reason} for problem_id, reason in why],
    }


def cut_plan(plan: Plan, source: Manifest, start: int | None, end: int | None) -> tuple[Plan, str]:
    """Keep the chunks of an index range.

    A chunk belongs to the range in which its first problem is. So ranges that cover the index space without gap or
    overlap do each chunk exactly once, wherever they are cut.

    Args:
        plan: the whole plan.
        source: the manifest of the problems.
        start: the first problem, from 0; None for the first of all.
        end: the last problem, inclusive, as the hand-off plan counts; None for the last of all.

    Returns:
        The plan, without the chunks outside that are not there yet, and which problems it covers, in words.

    Raises:
        UserInputError: the range is empty, or begins beyond the end.
    """
    counts = {outcome.chunk_id: outcome.n_problems for outcome in source.outcomes}
    firsts, total = {}, 0
    for chunk_id in sorted(counts):
        firsts[chunk_id] = total
        total += counts[chunk_id]
    low, high = start or 0, total - 1 if end is None else end
    if low >= total or low < 0:
        raise UserInputError(f"--start-idx is 0 to {total - 1}, the problems there are; got {low}")
    if high < low:
        raise UserInputError(f"--end-idx is the last problem, {low} or more; got {high}")
    inside = {chunk_id for chunk_id, first in firsts.items() if low <= first <= high}
    if not inside:
        near = max(chunk_id for chunk_id, first in firsts.items() if first <= low)
        raise UserInputError(
            f"no chunk begins between problems {low} and {high}: problem {low} is in the chunk that begins at "
            f"{firsts[near]}, and a chunk belongs to the range in which its first problem is"
        )
    tasks = tuple(task for task in plan.tasks if task.chunk_id in inside or task.found)
    lost = tuple(outcome for outcome in plan.lost if outcome.chunk_id in inside)
    covered = sum(counts[chunk_id] for chunk_id in inside)
    first = min(firsts[chunk_id] for chunk_id in inside)
    words = f"problems {first} to {first + covered - 1} in {len(inside)} chunks"
    return replace(plan, tasks=tasks, lost=lost), words
