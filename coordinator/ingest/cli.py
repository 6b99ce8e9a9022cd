"""The command `ingest`."""

from pathlib import Path

import click

from coordinator.options import open_named
from mycelium.command import json_option, store_option


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dataset", "name", required=True, help="What to call these problems: gsm8k, say.")
@click.option("--field", "fields", multiple=True, metavar="OURS=THEIRS", help="Where a field of ours is: cot=solution.")
@click.option("--chunk-size", type=click.IntRange(1), default=64, show_default=True, help="Problems to a chunk.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many problems.")
@click.option("--origin", help="MATH, GSM8K, … Default: recognised from the rows, else the dataset's name.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def ingest(
    files: tuple[Path, ...],
    name: str,
    fields: tuple[str, ...],
    chunk_size: int,
    limit: int | None,
    origin: str | None,
    quiet: bool,
    store: str | None,
    as_json: bool,
) -> int:
    """Read problems with chains of thought into chunks.

    FILES are JSON Lines or JSON arrays, gzipped or not, read as a stream. The fields of GSM8K, MATH and sampled chains
    of thought are recognised; name others by --field. A row that can't be used is written to rejects/ with its file,
    line and reason.

    \b
      python -m coordinator ingest gsm8k_train.jsonl.gz --dataset gsm8k
      python -m coordinator ingest mine.json --dataset mine --field problem=task --field cot=worked_solution
    """
    from coordinator.ingest.ingest import IngestParams, ingest_files
    from coordinator.ingest.tell import tell_ingest
    from mycelium.foreign.fields import parse_field_options

    params = IngestParams(chunk_size, limit, origin, ",".join(fields))
    manifest = ingest_files(open_named(store), files, name, params, parse_field_options(fields), quiet=quiet)
    tell_ingest(manifest, as_json=as_json)
    return 0
