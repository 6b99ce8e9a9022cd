"""The command `run-pipeline`."""

from typing import Any

import click

from coordinator.options import complete_stage, with_executor, with_max_cost
from mycelium.command import EXIT_SOME_FAILED, json_option, open_observer, store_option


@with_max_cost
@with_executor
@click.command("run-pipeline")
@click.option(
    "--to",
    "targets",
    multiple=True,
    required=True,
    metavar="STAGE",
    help="Stage to get to; may be repeated.",
    shell_complete=complete_stage,
)
@click.option("--problems", metavar="RUN", help="Run of problems to start from, or its name. Default: the latest.")
@click.option(
    "--input", "inputs", multiple=True, metavar="RUN", help="Extracted run to use in place of the latest; repeatable."
)
@click.option("--limit", type=click.IntRange(1), help="Only the chunks of the first so many problems.")
@click.option(
    "--set", "settings", multiple=True, metavar="STAGE.NAME=VALUE", help="A stage's parameter: heartbeat.min_run=4."
)
@click.option("--plan", "plan_only", is_flag=True, help="Say what would run, how long it takes and costs; do nothing.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def run_pipeline(
    *,
    plan_only: bool,
    quiet: bool,
    as_json: bool,
    events: str | None,
    **values: Any,  # noqa: ANN401 - click's options
) -> int:
    """Run whatever is missing between the problems and a stage.

    The graph is the one that the stages' datasets draw: `python -m coordinator stages` shows what each reads and
    writes. Stages that don't wait for each other run side by side. What is there is not made again, so the same command
    carries on after an interruption. A stage with failed chunks holds up only what reads it. --max-cost is for all
    stages together.

    \b
      python -m coordinator run-pipeline --to labels --plan
      python -m coordinator run-pipeline --to labels --to heartbeat
      python -m coordinator run-pipeline --to labels --limit 1516
    """
    from coordinator.pipeline.pipeline import Request, check_cost, plan_pipeline, run_planned
    from coordinator.pipeline.tell import tell_pipeline, tell_pipeline_plan

    observer = open_observer(events, as_json=as_json)
    planned = plan_pipeline(Request(**values))
    if plan_only:
        tell_pipeline_plan(planned, as_json=as_json)
        return 0
    check_cost(planned)
    conducted = run_planned(planned, quiet=quiet, observer=observer)
    if not observer.owns_stdout:
        tell_pipeline(planned, conducted, as_json=as_json)
    return EXIT_SOME_FAILED if conducted.stops or any(not m.complete for m in conducted.manifests.values()) else 0
