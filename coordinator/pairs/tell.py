"""What `export-pairs` prints."""

from pathlib import Path

import click

from coordinator.pairs.export import ExportRecord
from coordinator.printing import say_json


def tell_export(record: ExportRecord, out: Path, *, as_json: bool) -> None:
    """Say what was written, and what was not."""
    if as_json:
        say_json(record)
        return
    counts = ", ".join(f"{count:,} {split}" for split, count in record.pairs.items())
    click.echo(f"{out}: {record.kind} of {' and '.join(record.origins)}: {counts}")
    click.echo(f"{sum(record.dropped.values()):,} rows of the runs are no pairs")
    for reason, count in sorted(record.dropped.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"  {count:>8,} {reason}")
    if record.against:
        click.echo(
            f"{record.contaminated:,} pairs left out of train: they share {record.ngram} words in a row with one of "
            f"{record.evaluation_texts:,} evaluation problems; see {out / 'contamination.jsonl'}"
        )
    if record.evaluation_unread:
        click.echo(f"{record.evaluation_unread:,} rows of the evaluation hold no problem", err=True)
    if record.divided_twins:
        click.echo(f"{record.divided_twins:,} groups of twins stand in several runs; all are in the first run's split")
    if record.without_split:
        click.echo(f"{record.without_split:,} pairs left out: their problem has no split", err=True)
