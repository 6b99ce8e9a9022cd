"""The command that writes chains of thought."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpu_workers.options import N_NAMED, device_option, dtype_option, quiet_option
from mycelium.command import EXIT_SOME_FAILED

if TYPE_CHECKING:  # they bring torch, which --help does not wait for
    from gpu_workers.generation.chains import Engine
    from gpu_workers.generation.generate import Summary


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="Folder of a model, or its name on the hub (Qwen/Qwen2.5-Math-7B).")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write, for ingest; FILE.part while the work goes on.",
)
@click.option(
    "--engine",
    type=click.Choice(["transformers", "vllm"]),
    default="transformers",
    show_default=True,
    help="What runs the model; vLLM is several times faster, where it is installed.",
)
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=2048, show_default=True, help="Cut a chain after so many."
)
@click.option("--batch-size", type=click.IntRange(1), help="Problems at a time. Default: 32; 512 for vLLM.")
@click.option("--field", "fields", multiple=True, metavar="OURS=THEIRS", help="Where a field of ours is: problem=task.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many problems.")
@device_option
@dtype_option
@quiet_option
def generate(
    files: tuple[Path, ...],
    model: str,
    output: Path,
    engine: str,
    max_new_tokens: int,
    batch_size: int | None,
    fields: tuple[str, ...],
    limit: int | None,
    device: str | None,
    dtype: str | None,
    quiet: bool,
) -> int:
    """Write chains of thought for problems that have none.

    FILES are what ingest reads, with or without solutions. Each problem is shown to the model as extract will show it,
    and answered greedily; the output has a line for each, which ingest reads: the chain, why it ended, the answer found
    in it, and whether that is right, where the row tells. Start it again after an interruption: it does only what is
    missing.

    \b
      python -m gpu_workers generate problems.jsonl --model Qwen/Qwen2.5-Math-7B --output chains.jsonl
      python -m coordinator ingest chains.jsonl --dataset mine
    """
    from gpu_workers.generation.generate import generate_chains, read_problems
    from mycelium.foreign.fields import parse_field_options

    given = read_problems(files, parse_field_options(fields), limit)
    for reject in given.rejects[:N_NAMED]:
        click.echo(f"not used: {reject}", err=True)
    if len(given.rejects) > N_NAMED:
        click.echo(f"not used: {len(given.rejects) - N_NAMED} more rows", err=True)
    chosen = _load_engine(engine, model, device, dtype, batch_size)
    summary = generate_chains(given, chosen, output, max_new_tokens, quiet=quiet)
    return _tell_generated(summary, output, max_new_tokens)


def _load_engine(engine: str, model: str, device: str | None, dtype: str | None, batch_size: int | None) -> "Engine":
    if engine == "vllm":
        from gpu_workers.generation.with_vllm import load_vllm

        return load_vllm(model, dtype=dtype, batch_size=batch_size or 512)
    from gpu_workers.generation.with_transformers import load_transformers

    return load_transformers(model, device=device, dtype=dtype, batch_size=batch_size or 32)


def _tell_generated(summary: "Summary", output: Path, max_new_tokens: int) -> int:
    n_done = summary.counts.total()
    click.echo(f"{output}{'.part' if summary.failed else ''}: {n_done} of {summary.problems} problems")
    ended, cut, skipped = (summary.counts[name] for name in ("eos", "length", "skipped"))
    click.echo(f"{ended} ended by themselves, {cut} cut at {max_new_tokens} tokens or the context, {skipped} skipped")
    if summary.known:
        right, known = summary.right.total(), summary.known.total()
        levels = ", ".join(
            f"level {level}: {summary.right[level]} of {summary.known[level]}"
            for level in sorted(summary.known)
            if level
        )
        click.echo(f"{right} of {known} right ({right / known:.1%}){f'; {levels}' if levels else ''}")
    for name in summary.failed[:N_NAMED]:
        click.echo(f"failed: problem {name}: memory can't hold it, even alone", err=True)
    return EXIT_SOME_FAILED if summary.failed else 0
