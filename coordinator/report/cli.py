"""The command `report`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.options import complete_run, open_named
from mycelium.command import store_option
from mycelium.errors import UserInputError

if TYPE_CHECKING:  # a command imports what it needs when it runs
    from mycelium.manifest import Manifest
    from mycelium.store import Store


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write. Default: report-RUN.html.")
@click.option("--problem", help="Id of the problem whose trace is drawn. Default: the first of each level.")
@click.option("--serve", is_flag=True, help="Show it on this machine, drawn anew every few seconds, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), help="With --serve: where. Default: any free port.")
@store_option
def report(
    run: str | None, out: Path | None, problem: str | None, *, serve: bool, port: int | None, store: str | None
) -> None:
    """Draw a run, and all else that was made of the same problems, as one HTML page that opens without a network.

    What was made of what, heartbeats by level beside the paper's, traces with their beats, clocks against each other,
    labels, templates, pairs, drops by reason, time and cost; every figure has its numbers below it. RUN: default is the
    one that ended last.
    """
    from coordinator.report.family import latest_of_all
    from coordinator.report.page import render_page, write_report
    from coordinator.report.serve import REFRESH_S, make_server
    from mycelium.manifest import find_run

    if serve and out is not None:
        raise UserInputError("--serve writes no file: leave --out out, or --serve")
    if port is not None and not serve:
        raise UserInputError("--port says where to serve: give --serve, too")
    opened = open_named(store)
    manifest = find_run(opened, run) if run else latest_of_all(opened)
    if serve:

        def render() -> str:
            return render_page(opened, _look_again(opened, manifest), problem, REFRESH_S)

        with make_server(render, port or 0) as server:
            click.echo(f"http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C ends it)")
            server.serve_forever()
        return
    path = out or Path(f"report-{manifest.run_id}.html")
    write_report(opened, manifest, path, problem)
    click.echo(f"{path.absolute().as_uri()}  ({path.stat().st_size / 1e6:.1f} MB)")


def _look_again(store: "Store", manifest: "Manifest") -> "Manifest":
    """Read a manifest that may have been written anew since."""
    from mycelium.manifest import list_runs, read_manifest

    dataset = next((dataset for dataset, run_id in list_runs(store) if run_id == manifest.run_id), None)
    return manifest if dataset is None else read_manifest(store, dataset, manifest.run_id)
