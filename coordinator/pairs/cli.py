"""The command `export-pairs`."""

from pathlib import Path

import click

from coordinator.options import open_named
from coordinator.pairs import FORMATS
from mycelium.command import Choice, json_option, store_option
from mycelium.pairs.contamination import NGRAM


@click.command("export-pairs")
@click.argument("runs", nargs=-1, required=True, metavar="RUN…")
@click.option("--format", "file_format", type=Choice(FORMATS), default="parquet", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--allow-mix", metavar="ORIGIN,…", help="Origins that may stand side by side: math,gsm8k.")
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Evaluation problems that train must not quote: JSON Lines or JSON; repeatable.",
)
@click.option(
    "--ngram", type=click.IntRange(1), default=NGRAM, show_default=True, help="Words in a row that are a quotation."
)
@store_option
@json_option
def export_pairs(
    runs: tuple[str, ...],
    file_format: str,
    out: Path,
    allow_mix: str | None,
    against: tuple[Path, ...],
    ngram: int,
    store: str | None,
    as_json: bool,
) -> None:
    """Write training pairs as files, in splits, with a data card.

    RUN is a run of c2_pairs or of c3_pairs; several are written together. Pairs of several origins are refused unless
    --allow-mix names every one. Twins are in one split; a pair of train that quotes an evaluation is left out and
    listed.

    \b
      python -m coordinator export-pairs c3_pairs/gsm8k --format huggingface --out pairs
      python -m coordinator export-pairs c2_pairs/gsm8k c2_pairs/math --allow-mix gsm8k,math --out both
      python -m coordinator export-pairs c3_pairs/math --against test.jsonl --out clean
    """
    from coordinator.pairs.export import ExportParams
    from coordinator.pairs.export import export_pairs as export
    from coordinator.pairs.tell import tell_export

    allowed = tuple(name.strip() for name in (allow_mix or "").split(",") if name.strip())
    params = ExportParams(file_format, allowed, against, ngram)
    record = export(open_named(store), runs, out, params)
    tell_export(record, out, as_json=as_json)
