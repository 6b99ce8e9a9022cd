"""The command line: every command, each from the room that does its work."""

import click

from coordinator.again.cli import retry, run_task_here
from coordinator.compare.cli import compare
from coordinator.cost.cli import plan, prices
from coordinator.doctor.cli import doctor
from coordinator.fleet.cli import fleet
from coordinator.ingest.cli import ingest
from coordinator.inspect.cli import inspect
from coordinator.logs.cli import logs
from coordinator.merge.cli import merge
from coordinator.pairs.cli import export_pairs
from coordinator.pipeline.cli import run_pipeline
from coordinator.report.cli import report
from coordinator.runs.cli import attach, runs, status
from coordinator.simulate.cli import simulate
from coordinator.stages.cli import run_stage, stages
from coordinator.storekeeping.cli import export_run, gc, import_run, verify
from mycelium.command import CommandGroup, run_command, version_option


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@version_option
def coordinator() -> None:
    """Signals of how language models reason, counted over chunks in an object store.

    \b
    The way of the data:
      ingest                            files of problems         -> problems
      python -m gpu_workers extract     problems + teacher        -> tokens, iaf and other signals
      run-stage heartbeat               iaf                       -> heartbeats
      run-pipeline                      all that leads to a stage, in order
      report                            a run                     -> one HTML page

    \b
    Many GPU machines in place of one: fleet plan, fleet start, fleet status, fleet stop; then merge.
    """


for command in (
    ingest,
    run_stage,
    run_pipeline,
    stages,
    runs,
    status,
    attach,
    inspect,
    compare,
    report,
    doctor,
    plan,
    prices,
    simulate,
    run_task_here,
    retry,
    logs,
    gc,
    verify,
    export_run,
    import_run,
    export_pairs,
    fleet,
    merge,
):
    coordinator.add_command(command)


def main() -> None:
    """Run the command line."""
    run_command(coordinator, "python -m coordinator")
