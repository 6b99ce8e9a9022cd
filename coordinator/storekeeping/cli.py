"""The commands that keep a store in order: `gc`, `verify`, `export`, `import`."""

import click

from coordinator.options import complete_run, open_named
from mycelium.command import EXIT_SOME_FAILED, json_option, store_option


@click.command()
@click.option("--yes", is_flag=True, help="Delete what is listed.")
@click.option(
    "--older-than",
    "hours",
    type=click.FloatRange(0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="Keep what was written since: a run that is under way has no manifest yet.",
)
@store_option
@json_option
def gc(*, yes: bool, hours: float, store: str | None, as_json: bool) -> None:
    """List what no manifest refers to, and delete it with --yes.

    That is: chunks of runs that were cut off and not carried on, chunks that their run's manifest does not name, and
    what finished runs left for themselves below parts/ and work/. Nothing else in a bucket is looked at.
    """
    import time

    from coordinator.lineage.inputs import find_datasets
    from coordinator.storekeeping.garbage import delete_litter, find_litter
    from coordinator.storekeeping.tell import tell_litter

    opened = open_named(store)
    found = list(find_litter(opened, find_datasets(opened), hours * 3600, time.time))
    if yes:
        for litter in found:
            delete_litter(opened, litter)
    tell_litter(found, deleted=yes, as_json=as_json)


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--drop", is_flag=True, help="Delete the chunks that are damaged, so that `retry RUN` makes them anew.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def verify(run: str, *, drop: bool, quiet: bool, store: str | None, as_json: bool) -> int:
    """Read all that a run has written, and compare it with the digests in the run's manifest."""
    from coordinator.storekeeping.tell import tell_damages
    from coordinator.storekeeping.verify import drop_damaged, verify_run
    from mycelium.manifest import find_run
    from mycelium.progress import show_progress

    opened = open_named(store)
    manifest = find_run(opened, run)
    total = sum(1 for _ in manifest.each_object())
    with show_progress("verify", total, unit="objects", counted="MB", quiet=quiet) as progress:
        damages = list(verify_run(opened, manifest, lambda ref: progress.advance(count=round(ref.size / 1e6))))
    n_dropped = drop_damaged(opened, manifest, damages) if drop else 0
    tell_damages(manifest, total, damages, n_dropped, store=opened, as_json=as_json)
    return EXIT_SOME_FAILED if damages else 0


@click.command("export")
@click.argument("run", shell_complete=complete_run)
@click.option("--to", required=True, metavar="URI", help="Folder or bucket to write to; it becomes a store.")
@click.option("--with-inputs", is_flag=True, help="Also the runs that it was made of, back to the problems.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def export_run(run: str, *, to: str, with_inputs: bool, quiet: bool, store: str | None, as_json: bool) -> None:
    """Take a run out of the store, as one folder that is a store itself.

    Every object is checked on the way; done twice, it copies what is missing.

    \b
      python -m coordinator export heartbeats/gsm8k --to beats --with-inputs
      python -m coordinator report --store beats
    """
    _carry(store, to, run, with_inputs=with_inputs, quiet=quiet, as_json=as_json)


@click.command("import")
@click.argument("folder")
@click.argument("run", shell_complete=complete_run)
@click.option("--with-inputs", is_flag=True, help="Also the runs that it was made of; the folder must have every one.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def import_run(folder: str, run: str, *, with_inputs: bool, quiet: bool, store: str | None, as_json: bool) -> None:
    """Take a run into the store from FOLDER, which `export` made; a bucket's URI does, too."""
    _carry(folder, store, run, with_inputs=with_inputs, quiet=quiet, as_json=as_json)


def _carry(
    source_uri: str | None, target_uri: str | None, run: str, *, with_inputs: bool, quiet: bool, as_json: bool
) -> None:
    from coordinator.storekeeping.carry import carry_runs, find_ancestry
    from coordinator.storekeeping.tell import tell_carried
    from mycelium.manifest import find_run
    from mycelium.progress import show_progress

    source, target = open_named(source_uri), open_named(target_uri)
    manifests = find_ancestry(source, find_run(source, run), with_inputs=with_inputs)
    total = sum(1 for manifest in manifests for _ in manifest.each_object())
    with show_progress("copy", total, unit="objects", counted="MB", quiet=quiet) as progress:
        carried = carry_runs(source, target, manifests, lambda ref: progress.advance(count=round(ref.size / 1e6)))
    tell_carried(target, carried, as_json=as_json)
