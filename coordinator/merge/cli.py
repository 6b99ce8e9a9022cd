"""The command `merge`."""

import click

from coordinator.options import open_deployed, open_named
from mycelium.command import EXIT_SOME_FAILED, json_option, store_option


@click.command()
@click.argument("run")
@click.option("--verify", is_flag=True, help="Read every byte; do not trust the digests that the workers left.")
@click.option("--deployment", help="Look into the bucket of this deployment.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def merge(run: str, verify: bool, deployment: str | None, quiet: bool, store: str | None, as_json: bool) -> int:
    """See that what many workers wrote is whole and of one kind, and write the run's manifest; nothing is copied.

    No gap, no duplicate, no mixed teacher, stage version or parameter: or it says where, exits with 1, and writes
    nothing. RUN: a run id, or a job's name.

    \b
      python -m coordinator merge math
    """
    from coordinator.merge.tell import tell_merge
    from coordinator.merge.whole import merge_run

    opened = open_deployed(deployment, store) if deployment else open_named(store)
    found = merge_run(opened, run, verify=verify, quiet=quiet)
    tell_merge(found, as_json=as_json)
    return 0 if found.manifest is not None else EXIT_SOME_FAILED
