"""What `ingest` prints."""

import click

from coordinator.printing import name_some, say_json
from coordinator.runs.tell import summarize_run
from mycelium.manifest import Manifest
from mycelium.progress import format_seconds


def tell_ingest(manifest: Manifest, *, as_json: bool) -> None:
    """Say what became of the rows."""
    if as_json:
        say_json(summarize_run(manifest))
        return
    notes = manifest.notes
    click.echo(
        f"problems/{manifest.run_id}: {notes['problems']} problems of {manifest.provenance.origin} "
        f"in {manifest.n_chunks} chunks, {format_seconds(manifest.wall_s)}"
    )
    click.echo(
        f"{notes['rows']} rows: {notes['duplicates']} duplicates, {notes['rejected']} rejected, "
        f"{notes['without_level']} problems without a level"
    )
    name_some([f"  rejected {row['rows']}: {row['reason']}" for row in manifest.result["rejects"]], "reasons")
    if manifest.result["rejects"]:
        click.echo(f"  which and why: rejects/{manifest.run_id}/", err=True)
