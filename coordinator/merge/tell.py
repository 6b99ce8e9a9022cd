"""What `merge` prints."""

import click

from coordinator.merge.whole import Merge
from coordinator.printing import name_some, say_json


def tell_merge(merge: Merge, *, as_json: bool) -> None:
    """Say what a merge found."""
    if as_json:
        say_json(
            {
                "run": merge.run_id,
                "complete": merge.manifest is not None,
                "faults": merge.faults,
                "hashed": merge.hashed,
            }
        )
        return
    name_some(merge.faults, "faults")
    if merge.manifest is None:
        click.echo(f"{merge.run_id} is not whole; no manifest was written", err=True)
        return
    click.echo(f"{merge.run_id}: {merge.n_problems:,} problems in {merge.n_chunks} chunks, whole and of one kind")
    read = merge.manifest.result["read"][0]
    click.echo(f"{read['problems']} problems read, {read['skipped']} skipped, {read['tokens']} generated tokens")
    if merge.hashed:
        click.echo(f"{merge.hashed} chunks had no record, and were read for their digest")
    click.echo(f"manifests/{merge.datasets[-1]}/{merge.run_id}.json")
