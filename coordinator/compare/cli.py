"""The command `compare`."""

import dataclasses
from typing import TYPE_CHECKING

import click

from coordinator.options import complete_run, open_named
from mycelium.command import json_option, store_option

if TYPE_CHECKING:  # a command imports what it needs when it runs
    from coordinator.compare.compare import Comparison


@click.command()
@click.argument("run_a", shell_complete=complete_run)
@click.argument("run_b", shell_complete=complete_run)
@store_option
@json_option
def compare(run_a: str, run_b: str, store: str | None, as_json: bool) -> None:
    """Compare the templates of two runs on the steps that both have.

    Which template is which, how far the two agree, and which are split, merged, gone or new. RUN_A and RUN_B are runs
    of the stage `templates`: over 1,516 problems and over 7,842, say, or of two embeddings.
    """
    from coordinator.compare.compare import compare_runs
    from lambdas.stages.templates import ASSIGNMENTS
    from mycelium.manifest import find_run

    opened = open_named(store)
    runs = [find_run(opened, run, ASSIGNMENTS.name) for run in (run_a, run_b)]
    _tell(compare_runs(opened, *runs), as_json=as_json)


def _tell(found: "Comparison", *, as_json: bool) -> None:
    """Say how the templates of two runs agree."""
    from coordinator.printing import format_table, say_json

    if as_json:
        say_json(found)
        return
    click.echo(f"{found.first}: {found.steps[0]} steps\n{found.second}: {found.steps[1]} steps")
    click.echo(
        f"{found.common} steps in both; adjusted mutual information {found.agreement:.3f}; "
        f"{found.in_place:.1%} of them in templates that are matched"
    )
    for name, rows in (("matches", found.matches), ("changes", found.changes)):
        click.echo(f"\n{name}")
        click.echo(format_table([dataclasses.asdict(row) for row in rows]))
