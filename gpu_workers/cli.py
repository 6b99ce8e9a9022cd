"""The command line of the GPU machine."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
import msgspec

from gpu_workers.generation.cli import generate
from gpu_workers.options import N_NAMED, device_option, dtype_option, quiet_option, spool_option
from gpu_workers.spool.cli import upload
from gpu_workers.work.cli import work
from mycelium.command import (
    EXIT_SOME_FAILED,
    CommandGroup,
    events_option,
    json_option,
    open_observer,
    run_command,
    store_option,
    version_option,
)
from mycelium.settings import read_settings

if TYPE_CHECKING:  # they bring torch, which --help does not wait for, and pyarrow, half of what an uploader weighs
    from mycelium.manifest import Manifest
    from mycelium.schema import Row


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@version_option
def gpu_workers() -> None:
    """Run models: read the teacher's attention over chains of thought, generate those, turn steps into vectors."""


@gpu_workers.command()
@click.option("--model", required=True, help="Folder of a model, or its name on the hub (Qwen/Qwen2.5-Math-7B).")
@click.option("--problems", metavar="RUN", help="Run of problems to read, or its name. Default: the latest.")
@store_option
@click.option(
    "--start-idx", type=int, metavar="N", help="First problem, from 0; a chunk belongs to the range it begins in."
)
@click.option("--end-idx", type=int, metavar="M", help="Last problem, inclusive. Default: the last.")
@click.option(
    "--sink",
    type=click.Choice(["keep", "exclude"]),
    default="keep",
    show_default=True,
    help="Count the first token (the attention sink) as input, or leave it out of the fraction.",
)
@click.option(
    "--signals",
    default="iaf,entropy,connectivity",
    show_default=True,
    help="What to write, of iaf, entropy, connectivity, received, jsd; and raw, the attention itself of --heads.",
)
@click.option("--layers", metavar="LIST", default="", help="For raw: the layers, from 0, such as 3,10-12.")
@click.option("--heads", metavar="LIST", default="", help="For raw: the heads of each of those layers.")
@click.option(
    "--window", type=click.IntRange(1), default=16, show_default=True, help="For jsd: tokens in each of two windows."
)
@click.option(
    "--compact",
    is_flag=True,
    help="Round signals to a byte a value: iaf and jsd by 0.002 at most, entropy by 0.016 nats, connectivity by 1.6 %.",
)
@click.option(
    "--batch-tokens",
    type=click.IntRange(1),
    help="Tokens in one forward pass, padding included. Default: 8,192 on a GPU, 4,096 elsewhere.",
)
@device_option
@dtype_option
@spool_option
@quiet_option
@events_option
@json_option
def extract(
    model: str,
    problems: str | None,
    store: str | None,
    start_idx: int | None,
    end_idx: int | None,
    sink: str,
    signals: str,
    layers: str,
    heads: str,
    window: int,
    compact: bool,
    batch_tokens: int | None,
    device: str | None,
    dtype: str | None,
    spool: str | None,
    quiet: bool,
    events: str | None,
    as_json: bool,
) -> int:
    """Read the teacher's attention over problems and their chains of thought.

    One teacher-forced pass over prompt and chain of thought; per layer, head and generated token, the share of
    attention that goes back to the prompt (IAF), and what else --signals names. Writes `tokens` and a dataset for each
    signal, a chunk for each chunk of problems. A problem that can't be read is named in `tokens`, with the reason, and
    the others go on. Start it again after an interruption: it does only what is missing.

    \b
      python -m gpu_workers extract --model samples/teacher
      python -m gpu_workers extract --model samples/teacher --signals iaf,jsd
      python -m gpu_workers extract --model samples/teacher --signals raw --layers 3 --heads 0-3
      python -m gpu_workers extract --model Qwen/Qwen2.5-Math-7B --problems math --start-idx 0 --end-idx 1960
    """
    # torch and transformers take seconds to import: --help and a mistyped option do not wait for them.
    from gpu_workers.extract import ExtractParams, cut_plan, make_reader, make_stage, tidy_params
    from gpu_workers.loading import choose_dtype
    from gpu_workers.pipeline import Desk, PipelineExecutor
    from gpu_workers.spool import open_spooled
    from gpu_workers.teacher import load_teacher
    from mycelium.datasets import PROBLEMS
    from mycelium.manifest import find_run, latest_run
    from mycelium.plan import plan_run
    from mycelium.run import run_plan

    observer = open_observer(events, as_json=as_json)
    desk = Desk()
    open_store = open_spooled(spool, desk.is_closed)
    opened = open_store(store or read_settings().store)
    source = find_run(opened, problems, PROBLEMS.name) if problems else latest_run(opened, PROBLEMS)
    teacher = load_teacher(model, device=device, dtype=dtype)
    params = tidy_params(
        ExtractParams(sink, dtype or choose_dtype(teacher.device_type), signals, window, layers, heads, compact),
        teacher,
    )
    reader = make_reader(teacher, params, batch_tokens)
    stage = make_stage(teacher, params, desk.read)
    plan, words = cut_plan(
        plan_run(opened, opened, stage, params, [source], teacher.identity), source, start_idx, end_idx
    )
    if not quiet:
        click.echo(f"extract {words}, {plan.n_found} there already, run {plan.run_id}", err=True)
    executor = PipelineExecutor(stage, desk, reader, open_store)
    manifest = run_plan(opened, plan, executor, watch=reader.meter, quiet=quiet, observer=observer)
    if observer.owns_stdout:
        _tell_failed(manifest)
    else:
        _tell(manifest, [dataset.name for dataset in stage.writes], as_json=as_json)
    return EXIT_SOME_FAILED if manifest.failed else 0


def _tell(manifest: "Manifest", datasets: list[str], *, as_json: bool) -> None:
    there = sum(outcome.status != "failed" for outcome in manifest.outcomes)
    (sums,) = manifest.result.get("read") or [{"problems": 0, "skipped": 0, "tokens": 0}]
    skipped = manifest.result.get("skipped", [])
    failed: list[Row] = [
        {"chunk_id": outcome.chunk_id, "error_kind": outcome.error_kind, "error": outcome.error}
        for outcome in manifest.failed
    ]
    if as_json:
        summary = {
            "run": manifest.run_id,
            "datasets": datasets,
            "chunks": there,
            "n_chunks": manifest.n_chunks,
            "read": sums,
            "skipped": skipped,
            "failed": failed,
            "device": manifest.notes,
            "wall_s": manifest.wall_s,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode())
        return
    click.echo(f"{datasets[-1]}/{manifest.run_id}: {there} of {manifest.n_chunks} chunks of {', '.join(datasets)}")
    click.echo(f"{sums['problems']} problems read, {sums['skipped']} skipped, {sums['tokens']} generated tokens")
    if manifest.notes.get("batches"):
        click.echo(f"the device waited for {manifest.notes['device_waited_share']:.1%} of its time")
    for row in skipped:
        click.echo(f"skipped: problem {row['problem_id']}: {row['reason']}", err=True)
    if int(sums["skipped"] or 0) > len(skipped):
        click.echo(f"and more: column `skipped` of tokens/{manifest.run_id}", err=True)
    _tell_failed(manifest)


def _tell_failed(manifest: "Manifest") -> None:
    for outcome in manifest.failed[:N_NAMED]:
        click.echo(f"failed: chunk {outcome.chunk_id}: {outcome.error_kind}: {outcome.error}", err=True)
    if len(manifest.failed) > N_NAMED:
        click.echo(f"… and {len(manifest.failed) - N_NAMED} others", err=True)


@gpu_workers.command()
@click.option("--model", required=True, help="Folder of a model, or its name on the hub (Qwen/Qwen2.5-0.5B).")
@click.option("--steps", metavar="RUN", help="Run of steps to read, or its name. Default: the latest.")
@click.option(
    "--text",
    type=click.Choice(["mathematics", "full"]),
    default="mathematics",
    show_default=True,
    help="The expression alone, or its own stretch of the sentence it stands in.",
)
@store_option
@click.option(
    "--batch-tokens", type=click.IntRange(1), default=16_384, show_default=True, help="Tokens in one forward pass."
)
@device_option
@dtype_option
@quiet_option
def embed(
    model: str,
    steps: str | None,
    text: str,
    store: str | None,
    batch_tokens: int,
    device: str | None,
    dtype: str | None,
    quiet: bool,
) -> int:
    """Turn the steps of chains of thought into vectors.

    The mean of the model's last hidden states over the text of each step; any model will do that transformers loads.
    Each distinct text is read once. Writes the dataset `embeddings`, a chunk for each chunk of steps, a row for each
    step. Start it again after an interruption: it does only what is missing.

    \b
      python -m coordinator run-stage steps
      python -m gpu_workers embed --model Qwen/Qwen2.5-0.5B
      python -m gpu_workers embed --model Qwen/Qwen2.5-0.5B --text full
    """
    from gpu_workers.embed import EmbedParams, load_embedder, make_stage
    from gpu_workers.in_process import InProcessExecutor
    from gpu_workers.loading import choose_dtype
    from lambdas.stages.steps import STEPS
    from mycelium.manifest import find_run, latest_run
    from mycelium.plan import plan_run
    from mycelium.run import run_plan
    from mycelium.store import open_store

    opened = open_store(store or read_settings().store)
    source = find_run(opened, steps, STEPS.name) if steps else latest_run(opened, STEPS)
    embedder = load_embedder(model, device=device, dtype=dtype, batch_tokens=batch_tokens)
    params = EmbedParams(embedder.identity, text, dtype or choose_dtype(embedder.device_type))
    stage = make_stage(embedder, params)
    # Steps know the problems that they were found in.
    inputs = [source] + [find_run(opened, run) for run in source.inputs[: len(stage.reads) - 1]]
    plan = plan_run(opened, opened, stage, params, inputs)
    if not quiet:
        click.echo(f"embed {len(plan.tasks)} chunks, {plan.n_found} there already, run {plan.run_id}", err=True)
    manifest = run_plan(opened, plan, InProcessExecutor(stage, open_store), quiet=quiet)
    return _tell_embed(manifest, embedder.counts, embedder.max_tokens)


def _tell_embed(manifest: "Manifest", counts: Mapping[str, int], max_tokens: int) -> int:
    there = sum(outcome.status != "failed" for outcome in manifest.outcomes)
    click.echo(f"embeddings/{manifest.run_id}: {there} of {manifest.n_chunks} chunks")
    (sums,) = manifest.result.get("embedded") or [{"steps": 0, "dimensions": 0}]
    click.echo(f"{sums['steps']} steps, {sums['dimensions']} dimensions")
    if counts["steps"]:
        saved = 1 - counts["texts"] / counts["steps"]
        click.echo(f"{counts['texts']} distinct texts read for {counts['steps']} steps ({saved:.0%} saved)", err=True)
    if counts["cut"]:
        click.echo(f"{counts['cut']} texts were cut at {max_tokens} tokens, the model's limit", err=True)
    _tell_failed(manifest)
    return EXIT_SOME_FAILED if manifest.failed else 0


gpu_workers.add_command(generate)
gpu_workers.add_command(upload)
gpu_workers.add_command(work)


def main() -> None:
    """Run the command line."""
    run_command(gpu_workers, "python -m gpu_workers")
