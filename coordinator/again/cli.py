"""The commands `retry` and `run-task`."""

from typing import Any

import click

from coordinator.options import (
    complete_run,
    complete_stage,
    open_for_tasks,
    open_named,
    with_executor,
    with_max_cost,
)
from mycelium.command import EXIT_SOME_FAILED, json_option, open_observer, store_option


@with_max_cost
@with_executor
@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def retry(run: str, *, max_cost: float | None, quiet: bool, store: str | None, as_json: bool, **where: Any) -> int:  # noqa: ANN401 - options
    """Do what a run has left undone: its failed chunks, and those it never came to.

    Stage, parameters and inputs are those of the run's manifest. If the code or the inputs have changed, it would be
    another run, and is refused.

    \b
      python -m coordinator retry heartbeats/gsm8k-0123456789ab
    """
    from coordinator.again.rerun import plan_again
    from coordinator.executors.choose import choose_executor
    from coordinator.runs.tell import tell_run
    from coordinator.stages.ahead import find_ahead
    from mycelium.failures import parse_policy
    from mycelium.manifest import find_run
    from mycelium.run import Until, run_plan

    policy = parse_policy(where.pop("max_failures"))
    observer = open_observer(where.pop("events"), as_json=as_json)
    opened = open_for_tasks(where["executor"], where["deployment"], store)
    ahead = find_ahead(plan_again(opened, find_run(opened, run)), opened, where | {"max_cost": max_cost})
    executor, deployment = where.pop("executor"), where.pop("deployment")
    chosen = choose_executor(executor, ahead.plan.stage, deployment, observer=observer, **where)
    manifest = run_plan(
        opened,
        ahead.plan,
        chosen.executor,
        reducer=chosen.reducer,
        quiet=quiet,
        until=Until(policy, allowance=ahead.limit),
        watch=chosen.watch,
        observer=observer,
    )
    tell_run(manifest, as_json=as_json, silent=observer.owns_stdout, store=opened.uri, deployment=deployment)
    return 0 if manifest.complete else EXIT_SOME_FAILED


@click.command("run-task")
@click.argument("stage", shell_complete=complete_stage)
@click.argument("chunk")
@click.option("--run", metavar="RUN", help="Run whose chunk it is. Default: the stage's run that ended last.")
@click.option("--pdb", is_flag=True, help="Stop in the debugger where it fails.")
@store_option
def run_task_here(stage: str, chunk: str, run: str | None, pdb: bool, store: str | None) -> int:
    """Do one chunk of a run in this process, write nothing, and show what comes of it.

    What fails in a function or a worker fails here in the same way, with its whole traceback.

    \b
      python -m coordinator run-task heartbeat 42 --pdb
    """
    import traceback

    from coordinator.again.rerun import do_task, find_task

    opened = open_named(store)
    one = find_task(opened, stage, chunk, run)
    click.echo(
        f"{stage} {one.task.run_id}, chunk {one.task.chunk_id}: reads {', '.join(r.key for r in one.task.inputs)}"
    )
    try:
        tables = do_task(opened, one)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user wants to see it
        traceback.print_exception(error)
        if pdb:
            import pdb as debugger  # noqa: T100 - the user asked for it

            debugger.post_mortem(error.__traceback__)
        return EXIT_SOME_FAILED
    for dataset, table in zip(one.stage.writes, tables, strict=True):
        click.echo(f"{dataset.name}: {table.num_rows:,} rows, {table.num_columns} columns, {table.nbytes:,} bytes")
    return 0
