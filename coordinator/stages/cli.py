"""The commands `stages` and `run-stage`."""

import dataclasses
import types
import typing
from typing import TYPE_CHECKING, Any

import click

from coordinator.options import complete_run, executor_options, max_cost_option, open_named
from lambdas.stages import find_stage, stage_names
from mycelium.command import EXIT_SOME_FAILED, CommandGroup, json_option, open_observer, store_option
from mycelium.errors import UserInputError
from mycelium.store import Store, open_store

if TYPE_CHECKING:  # they bring NumPy and pyarrow, which --help does not wait for
    from mycelium.stage import Stage


@click.command()
@json_option
def stages(as_json: bool) -> None:
    """List the stages: what each reads, writes and can be told."""
    from coordinator.stages.tell import tell_stages

    tell_stages([find_stage(name) for name in stage_names()], as_json=as_json)


class StageGroup(CommandGroup):
    """One command for each stage file, its options made from the stage's parameters; imported when asked for."""

    kind = "stage"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the stages."""
        del ctx
        return stage_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of one stage."""
        del ctx
        return _make_stage_command(find_stage(cmd_name)) if cmd_name in stage_names() else None


@click.command("run-stage", cls=StageGroup)
def run_stage() -> None:
    """Run a stage over every chunk of a run: what is missing, and nothing twice."""


def _make_stage_command(stage: "Stage[Any]") -> click.Command:
    hints = typing.get_type_hints(type(stage.params))
    options = [
        click.Option(
            [f"--{field.name.replace('_', '-')}", field.name],
            type=_option_type(hints[field.name]),
            default=getattr(stage.params, field.name),
            show_default=getattr(stage.params, field.name) is not None,
            help=field.metadata.get("help"),
        )
        for field in dataclasses.fields(stage.params)
    ]
    reads = ", ".join(dataset.name for dataset in stage.reads)
    options += [
        click.Option(
            ["--input", "input_run"],
            metavar="RUN",
            help=f"Run of {reads} to read. Default: the latest complete.",
            shell_complete=complete_run,
        ),
        *_fit_options(stage),
        click.Option(["--output"], metavar="URI", help="Store to write to, where that is another than the one read."),
        *executor_options(),
        max_cost_option(),
        click.Option(["--dry-run"], is_flag=True, help="Say what would be done, how long it takes, what it costs."),
        click.Option(
            ["--probe"], type=click.IntRange(1, 1000), help="Do so many chunks here first, and estimate from them."
        ),
        click.Option(["--quiet"], is_flag=True, help="No progress."),
    ]
    command = click.Command(
        stage.name,
        params=list(options),
        callback=lambda **values: _run_stage(stage, values),
        help=f"{stage.summary[0].upper()}{stage.summary[1:]}.\n\nReads {reads}, "
        f"writes {', '.join(dataset.name for dataset in stage.writes)}.",
    )
    return json_option(store_option(command))


def _fit_options(stage: "Stage[Any]") -> list[click.Option]:
    """Return the option that a stage with a fit has, and no other."""
    words = "Map with what this run's fit found, and fit nothing: for new chunks."
    return [] if stage.fit is None else [click.Option(["--fit-of", "fit_of"], metavar="RUN", help=words)]


def _option_type(hint: object) -> type:
    """Return the type of an option for `int`, `float | None` and the like."""
    plain = [kind for kind in typing.get_args(hint) if kind is not types.NoneType] or [hint]
    return typing.cast("type", plain[0])


def _split_input(reference: str | None, store: str | None) -> tuple[Store, str | None]:
    """Return the store and the run in it that --input names: a run, or a store's URI with dataset and run behind it."""
    before, _, run_id = (reference or "").rstrip("/").rpartition("/")
    uri, slash, dataset = before.rpartition("/")
    return (open_store(uri), f"{dataset}/{run_id}") if slash and uri else (open_named(store), reference)


def _run_stage(stage: "Stage[Any]", values: dict[str, Any]) -> int:
    from coordinator.executors.choose import check_cloud_store, choose_executor
    from coordinator.lineage.inputs import find_fit, find_inputs
    from coordinator.runs.tell import tell_run
    from coordinator.stages.ahead import find_ahead
    from coordinator.stages.tell import tell_plan
    from mycelium.failures import parse_policy
    from mycelium.plan import plan_run
    from mycelium.run import Until, run_plan

    policy = parse_policy(values["max_failures"])
    observer = open_observer(values["events"], as_json=values["as_json"])
    names = [field.name for field in dataclasses.fields(stage.params)]
    try:
        params = type(stage.params)(**{name: values[name] for name in names})
    except ValueError as error:
        raise UserInputError(str(error)) from None
    executor = values["executor"]
    chosen = choose_executor(
        executor,
        stage,
        values["deployment"],
        max_workers=values["max_workers"],
        max_concurrency=values["max_concurrency"],
        backups=values["backups"],
        observer=observer,
    )
    source, reference = _split_input(values["input_run"], values["store"] or chosen.store)
    target = open_store(values["output"]) if values["output"] else source
    check_cloud_store(executor, source.uri, target.uri)
    inputs = find_inputs(source, stage, stage.inputs(params), reference)
    fit = find_fit(source, stage, values["fit_of"]) if values.get("fit_of") else None
    ahead = find_ahead(plan_run(source, target, stage, params, inputs, fit=fit), target, values)
    if values["dry_run"]:
        tell_plan(ahead, as_json=values["as_json"])
        return 0
    manifest = run_plan(
        target,
        ahead.plan,
        chosen.executor,
        reducer=chosen.reducer,
        quiet=values["quiet"],
        until=Until(policy, allowance=ahead.limit),
        watch=chosen.watch,
        observer=observer,
    )
    tell_run(
        manifest,
        as_json=values["as_json"],
        silent=observer.owns_stdout,
        store=target.uri,
        deployment=values["deployment"],
    )
    return 0 if manifest.complete else EXIT_SOME_FAILED
