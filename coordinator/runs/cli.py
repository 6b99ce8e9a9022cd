"""The commands `runs`, `status` and `attach`: which runs there are, how one stands, and coming back to one."""

import click

from coordinator.options import complete_run, open_deployed, open_named
from mycelium.command import EXIT_SOME_FAILED, json_option, store_option
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.errors import UnknownRunError, UserInputError
from mycelium.nearest import suggest


@click.command()
@click.option("--dataset", help="Only runs that wrote this dataset.")
@store_option
@json_option
def runs(dataset: str | None, store: str | None, as_json: bool) -> None:
    """List the runs in a store, the latest last."""
    from coordinator.lineage.inputs import find_datasets
    from coordinator.runs.tell import tell_runs
    from mycelium.manifest import list_runs, read_manifest

    opened = open_named(store)
    if dataset and dataset not in (known := find_datasets(opened)):
        raise UserInputError(f"no dataset is called {dataset!r}: {suggest(dataset, sorted(known))}")
    found = [(name, read_manifest(opened, name, run_id)) for name, run_id in list_runs(opened, dataset)]
    tell_runs(sorted(found, key=lambda pair: (pair[1].finished_s, pair[0])), as_json=as_json)


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--deployment", help="Look into the bucket of this deployment.")
@store_option
@json_option
def status(run: str, deployment: str | None, store: str | None, as_json: bool) -> int:
    """Say how a run stands: chunks done and failed, the commonest error first, what came out.

    RUN is a run id, dataset/run id, the beginning of one, or a dataset's name; the whole run id for a run that a state
    machine is at.
    """
    from coordinator.runs.attach import look_at_run
    from coordinator.runs.tell import tell_cut_off, tell_run, tell_under_way
    from mycelium.manifest import find_run

    opened = open_deployed(deployment, store) if deployment else open_named(store)
    look = look_at_run(opened, run.rstrip("/").rpartition("/")[2])
    if look is not None and look.state == "RUNNING":
        tell_under_way(look, as_json=as_json, store=opened.uri)
        return 0
    try:
        manifest = find_run(opened, run)
    except UnknownRunError:
        if look is not None:
            tell_under_way(look, as_json=as_json, store=opened.uri)
            return EXIT_SOME_FAILED
        written = [info for info in opened.list(run.strip("/") + "/") if info.key.endswith(".parquet")]
        if not written:
            raise
        tell_cut_off(run, len(written), as_json=as_json)
        return EXIT_SOME_FAILED
    tell_run(manifest, as_json=as_json, store=opened.uri, deployment=deployment)
    return 0 if manifest.complete else EXIT_SOME_FAILED


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--deployment", default=DEFAULT_DEPLOYMENT, show_default=True, help="What `cdk deploy` called the stack.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def attach(run: str, deployment: str, quiet: bool, store: str | None, as_json: bool) -> int:
    """Follow a run that a state machine is at, to its end, and write its manifest.

    RUN is the run id that `run-stage … --executor step-functions` showed. Nothing is started: chunks that the execution
    leaves undone are named, and the first command runs them again.
    """
    from coordinator.runs.attach import attach_run
    from coordinator.runs.tell import tell_run

    opened = open_deployed(deployment, store)
    manifest = attach_run(opened, run.rstrip("/").rpartition("/")[2], deployment, quiet=quiet)
    tell_run(manifest, as_json=as_json, store=opened.uri, deployment=deployment)
    return EXIT_SOME_FAILED if manifest.failed else 0
