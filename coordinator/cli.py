"""The command line: what a person types, turned into calls of the rest."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.again.cli import retry, run_task_here
from coordinator.cost.cli import plan, prices
from coordinator.doctor.cli import doctor
from coordinator.fleet.cli import fleet, merge
from coordinator.logs.cli import logs
from coordinator.options import complete_run, executor_options, max_cost_option, open_named
from coordinator.pairs.cli import export_pairs
from coordinator.pipeline.cli import run_pipeline
from coordinator.report.cli import report
from coordinator.simulate.cli import simulate
from coordinator.storekeeping.cli import export_run, gc, import_run, verify
from lambdas.stages import find_stage, stage_names
from mycelium.command import EXIT_SOME_FAILED, CommandGroup, json_option, open_observer, run_command, store_option
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.errors import UnknownRunError, UserInputError
from mycelium.nearest import suggest
from mycelium.store import Store, open_store

if TYPE_CHECKING:  # they bring NumPy and pyarrow, which --help does not wait for
    from mycelium.stage import Stage


def _open_deployed(deployment: str, store: str | None) -> Store:
    """Open the store named, or else the bucket of a deployment."""
    from coordinator.deployment import find_deployment

    return open_store(store or f"s3://{find_deployment(deployment, None).bucket}")


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mycelium")
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


@coordinator.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dataset", "name", required=True, help="What to call these problems: gsm8k, say.")
@click.option("--field", "fields", multiple=True, metavar="OURS=THEIRS", help="Where a field of ours is: cot=solution.")
@click.option("--chunk-size", type=click.IntRange(1), default=64, show_default=True, help="Problems to a chunk.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many problems.")
@click.option("--origin", help="MATH, GSM8K, … Default: recognised from the rows, else the dataset's name.")
@click.option("--quiet", is_flag=True, help="No progress.")
@store_option
@json_option
def ingest(
    files: tuple[Path, ...],
    name: str,
    fields: tuple[str, ...],
    chunk_size: int,
    limit: int | None,
    origin: str | None,
    quiet: bool,
    store: str | None,
    as_json: bool,
) -> int:
    """Read problems with chains of thought into chunks.

    FILES are JSON Lines or JSON arrays, gzipped or not, read as a stream. The fields of GSM8K, MATH and sampled chains
    of thought are recognised; name others by --field. A row that can't be used is written to rejects/ with its file,
    line and reason.

    \b
      python -m coordinator ingest gsm8k_train.jsonl.gz --dataset gsm8k
      python -m coordinator ingest mine.json --dataset mine --field problem=task --field cot=worked_solution
    """
    from coordinator import tell
    from coordinator.ingest.ingest import IngestParams, ingest_files
    from mycelium.fields import parse_field_options

    params = IngestParams(chunk_size, limit, origin, ",".join(fields))
    manifest = ingest_files(open_named(store), files, name, params, parse_field_options(fields), quiet=quiet)
    tell.tell_ingest(manifest, as_json=as_json)
    return 0


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


@coordinator.command("run-stage", cls=StageGroup)
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
    from coordinator import tell
    from coordinator.cost.cli import find_ahead
    from coordinator.executors.choose import check_cloud_store, choose_executor
    from coordinator.lineage import find_fit, find_inputs
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
        observer=observer,
    )
    source, reference = _split_input(values["input_run"], values["store"] or chosen.store)
    target = open_store(values["output"]) if values["output"] else source
    check_cloud_store(executor, source.uri, target.uri)
    inputs = find_inputs(source, stage, stage.inputs(params), reference)
    fit = find_fit(source, stage, values["fit_of"]) if values.get("fit_of") else None
    ahead = find_ahead(plan_run(source, target, stage, params, inputs, fit=fit), target, values)
    if values["dry_run"]:
        tell.tell_plan(ahead, as_json=values["as_json"])
        return 0
    manifest = run_plan(
        target,
        ahead.plan,
        chosen.executor,
        reducer=chosen.reducer,
        quiet=values["quiet"],
        until=Until(policy, allowance=ahead.limit),
        observer=observer,
    )
    tell.tell_run(manifest, as_json=values["as_json"], silent=observer.owns_stdout)
    return 0 if manifest.complete else EXIT_SOME_FAILED


@coordinator.command()
@json_option
def stages(as_json: bool) -> None:
    """List the stages: what each reads, writes and can be told."""
    from coordinator import tell

    tell.tell_stages([find_stage(name) for name in stage_names()], as_json=as_json)


@coordinator.command()
@click.option("--dataset", help="Only runs that wrote this dataset.")
@store_option
@json_option
def runs(dataset: str | None, store: str | None, as_json: bool) -> None:
    """List the runs in a store, the latest last."""
    from coordinator import tell
    from coordinator.lineage import find_datasets
    from mycelium.manifest import list_runs, read_manifest

    opened = open_named(store)
    if dataset and dataset not in (known := find_datasets(opened)):
        raise UserInputError(f"no dataset is called {dataset!r}: {suggest(dataset, sorted(known))}")
    found = [(name, read_manifest(opened, name, run_id)) for name, run_id in list_runs(opened, dataset)]
    tell.tell_runs(sorted(found, key=lambda pair: (pair[1].finished_s, pair[0])), as_json=as_json)


@coordinator.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--deployment", help="Look into the bucket of this deployment.")
@store_option
@json_option
def status(run: str, deployment: str | None, store: str | None, as_json: bool) -> int:
    """Say how a run stands: chunks done and failed, the commonest error first, what came out.

    RUN is a run id, dataset/run id, the beginning of one, or a dataset's name; the whole run id for a run that a state
    machine is at.
    """
    from coordinator import tell
    from coordinator.attach import look_at_run
    from mycelium.manifest import find_run

    opened = _open_deployed(deployment, store) if deployment else open_named(store)
    look = look_at_run(opened, run.rstrip("/").rpartition("/")[2])
    if look is not None and look.state == "RUNNING":
        tell.tell_under_way(look, as_json=as_json)
        return 0
    try:
        manifest = find_run(opened, run)
    except UnknownRunError:
        if look is not None:
            tell.tell_under_way(look, as_json=as_json)
            return EXIT_SOME_FAILED
        written = [info for info in opened.list(run.strip("/") + "/") if info.key.endswith(".parquet")]
        if not written:
            raise
        tell.tell_cut_off(run, len(written), as_json=as_json)
        return EXIT_SOME_FAILED
    tell.tell_run(manifest, as_json=as_json)
    return 0 if manifest.complete else EXIT_SOME_FAILED


@coordinator.command()
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
    from coordinator import tell
    from coordinator.attach import attach_run

    opened = _open_deployed(deployment, store)
    manifest = attach_run(opened, run.rstrip("/").rpartition("/")[2], deployment, quiet=quiet)
    tell.tell_run(manifest, as_json=as_json)
    return EXIT_SOME_FAILED if manifest.failed else 0


@coordinator.command()
@click.argument("uri")
@store_option
@json_option
def inspect(uri: str, store: str | None, as_json: bool) -> None:
    """Look at an object or at what is below a prefix: schema, counts, sizes, the first rows cut short.

    URI is a key in the store, or a path or s3:// URI of its own.

    \b
      python -m coordinator inspect iaf/gsm8k-0123456789ab/00000.parquet
      python -m coordinator inspect s3://bucket/prefix/iaf/
    """
    from coordinator import tell
    from coordinator.inspect import inspect_uri

    opened, key = _split_uri(uri, store)
    tell.tell_look(inspect_uri(opened, key), as_json=as_json)


def _split_uri(uri: str, store: str | None) -> tuple[Store, str]:
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return open_store(f"s3://{bucket}"), key
    path = Path(uri.removeprefix("file://")).expanduser()
    if path.is_file():
        return open_store(str(path.parent)), path.name
    if path.is_dir():
        return open_store(str(path)), ""
    return open_named(store), uri


@coordinator.command()
@click.argument("run_a", shell_complete=complete_run)
@click.argument("run_b", shell_complete=complete_run)
@store_option
@json_option
def compare(run_a: str, run_b: str, store: str | None, as_json: bool) -> None:
    """Compare the templates of two runs on the steps that both have.

    Which template is which, how far the two agree, and which are split, merged, gone or new. RUN_A and RUN_B are runs
    of the stage `templates`: over 1,516 problems and over 7,842, say, or of two embeddings.
    """
    from coordinator import tell
    from coordinator.compare import compare_runs
    from lambdas.stages.templates import ASSIGNMENTS
    from mycelium.manifest import find_run

    opened = open_named(store)
    runs = [find_run(opened, run, ASSIGNMENTS.name) for run in (run_a, run_b)]
    tell.tell_comparison(compare_runs(opened, *runs), as_json=as_json)


for command in (
    doctor,
    report,
    run_pipeline,
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
