"""The commands of `fleet`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from mycelium.command import EXIT_SOME_FAILED, CommandGroup, json_option, store_option
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.errors import UserInputError
from mycelium.hint import say_command
from mycelium.settings import STORE_VARIABLE, read_settings

if TYPE_CHECKING:  # a command imports what it needs when it runs
    from coordinator.fleet.places import Places
    from coordinator.fleet.plan import FleetPlan
    from coordinator.fleet.queue import FleetQueue
    from mycelium.schema import Row
    from mycelium.store import Store

DEFAULT_TYPE = "g5.xlarge"

deployed_store_option = click.option(
    "--store",
    metavar="URI",
    help=f"Folder, file:// or s3://bucket/prefix. Default: the deployment's bucket, or ${STORE_VARIABLE}, or ./store.",
)
deployment_option = click.option(
    "--deployment", default=DEFAULT_DEPLOYMENT, show_default=True, help="What `cdk deploy` called the stack."
)
queue_option = click.option(
    "--queue", metavar="URL", help="A queue of one's own, for machines of one's own; no deployment is needed then."
)
plan_options = (
    click.option("--problems", metavar="RUN", help="Run of problems to read, or its name. Default: the latest."),
    click.option("--workers", type=click.IntRange(1, 1000), default=4, show_default=True, help="Machines."),
    click.option(
        "--shards-per-worker",
        type=click.IntRange(1, 1000),
        default=4,
        show_default=True,
        help="Shards to a machine: the more, the less the others wait for the last one.",
    ),
    click.option("--instance-type", default=DEFAULT_TYPE, show_default=True, help="EC2's name of the machine."),
    click.option("--rate", type=click.FloatRange(0, min_open=True), help="Problems per second of one machine."),
    click.option("--price", type=click.FloatRange(0), help="US dollars per machine and hour, on demand."),
)


def with_plan_options(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command the options by which a plan is made."""
    for option in reversed(plan_options):
        command = option(command)
    return command


@click.group(cls=CommandGroup)
def fleet() -> None:
    """Read problems on many GPU machines at once: plan, start, look, stop.

    The problems are cut into shards of equal work, which wait in a queue; each machine's `gpu_workers work` leases one
    after another, and a shard whose machine died is finished by another one. When the queue is drained the machines
    end themselves. Then `merge` sees that all is there, and writes the run's manifest.

    \b
      python -m coordinator fleet plan --workers 4 --rate 0.5
      python -m coordinator fleet start --workers 4 --spot --model Qwen/Qwen2.5-Math-7B
      python -m coordinator fleet status
      python -m coordinator fleet stop
    """


@dataclass(frozen=True, slots=True)
class _Opened:
    places: "Places"
    store: "Store"
    queue: "FleetQueue"


def _open(deployment: str, queue: str | None, store: str | None) -> _Opened:
    """Open a fleet's queue and store: the deployment's, or those named."""
    from coordinator.fleet.places import find_places
    from coordinator.fleet.queue import open_queue
    from mycelium.store import open_store

    places = find_places(deployment, queue)
    uri = store or (f"s3://{places.bucket}" if places.bucket else read_settings().store)
    return _Opened(places, open_store(uri), open_queue(places))


def _make_plan(
    opened: "Store",
    problems: str | None,
    workers: int,
    shards_per_worker: int,
    rate: float | None,
    prices: dict[str, float],
) -> "FleetPlan":
    from coordinator.fleet.plan import plan_fleet
    from mycelium.datasets import PROBLEMS
    from mycelium.manifest import find_run, latest_run

    manifest = find_run(opened, problems, PROBLEMS.name) if problems else latest_run(opened, PROBLEMS)
    return plan_fleet(opened, manifest, workers, shards_per_worker, rate=rate, prices=prices)


@fleet.command()
@with_plan_options
@click.option("--region", help="Region of the prices. Default: $AWS_REGION, or us-east-1.")
@click.option("--deployment", help="Plan over the bucket of this deployment, at EC2's present spot price.")
@store_option
@json_option
def plan(
    problems: str | None,
    workers: int,
    shards_per_worker: int,
    instance_type: str,
    rate: float | None,
    price: float | None,
    region: str | None,
    deployment: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Say who would read what, how long that takes, and what it costs; nothing is started.

    Ranges are balanced by tokens, so that all machines end together. They are those of `extract --start-idx N --end-idx
    M` as well, for machines without a queue; a chunk belongs to the range in which it begins.

    \b
      python -m coordinator fleet plan --workers 4 --rate 0.5
    """
    from coordinator.cost.prices import DEFAULT_REGION
    from coordinator.fleet.group import ask_spot_price
    from coordinator.fleet.places import find_places
    from coordinator.fleet.prices import find_prices
    from coordinator.fleet.tell import tell_plan
    from mycelium.store import open_store

    places = find_places(deployment) if deployment else None
    there = region or (places.region if places else read_settings().region) or DEFAULT_REGION
    spot = ask_spot_price(instance_type, there) if places else None
    prices = find_prices(instance_type, there, price, spot)
    opened = open_store(store or (f"s3://{places.bucket}" if places else read_settings().store))
    made = _make_plan(opened, problems, workers, shards_per_worker, rate, prices)
    tell_plan(made, instance_type, there, spot_asked=spot is not None, as_json=as_json)


@fleet.command()
@click.option("--model", required=True, help="The teacher: its name on the hub, or s3://bucket/models/FOLDER.")
@with_plan_options
@click.option("--spot", is_flag=True, help="Spot machines: cheaper, and taken away at two minutes' notice.")
@click.option(
    "--sink", type=click.Choice(["keep", "exclude"]), help="Count the attention sink as input, or leave it out."
)
@click.option(
    "--signals", default="iaf,entropy,connectivity", show_default=True, help="What to write, as `extract` takes it."
)
@click.option("--compact", is_flag=True, help="Round signals to a byte a value, as `extract` does.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="The teacher's precision.")
@deployment_option
@queue_option
@deployed_store_option
@json_option
def start(
    model: str,
    problems: str | None,
    workers: int,
    shards_per_worker: int,
    instance_type: str,
    rate: float | None,
    price: float | None,
    spot: bool,
    sink: str | None,
    signals: str,
    compact: bool,
    dtype: str | None,
    deployment: str,
    queue: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Cut the problems into shards, fill the queue, and start machines.

    Start it again, and it sends only shards that are not done: after machines were lost for good, or after shards were
    given up. With --queue nothing is looked up and no machine is started: yours run `gpu_workers work`.

    \b
      python -m coordinator fleet start --workers 4 --spot --model Qwen/Qwen2.5-Math-7B
      python -m coordinator fleet start --workers 4 --model s3://BUCKET/models/teacher --queue URL --store s3://BUCKET
    """
    from coordinator.fleet.group import ask_spot_price, open_group
    from coordinator.fleet.launch import check_model, fill_queue, make_job
    from coordinator.fleet.prices import find_prices
    from coordinator.fleet.tell import tell_launch

    opened = _open(deployment, queue, store)
    places, group = opened.places, None
    check_model(model, is_cloud=places.group is not None)
    prices: dict[str, float] = {}
    if places.group is not None:
        group = open_group(places.group, places.region)
        group.check(workers)
        prices = find_prices(instance_type, places.region, price, ask_spot_price(instance_type, places.region))
    made = _make_plan(opened.store, problems, workers, shards_per_worker, rate, prices)
    given = {"sink": sink, "dtype": dtype, "signals": signals, "compact": compact or None}
    params: Row = {name: value for name, value in given.items() if value is not None}
    job = make_job(made, model, params, instance_type if group else None)
    launch = fill_queue(opened.store, opened.queue, job, made)
    machines = f"on each machine: {say_command(f'gpu_workers work --queue {places.queue} --store {opened.store.uri}')}"
    if group is not None and launch.sent + launch.waiting:
        group.start(workers, instance_type, spot=spot)
        machines = f"{workers} machines {instance_type} {'spot' if spot else 'on demand'} are on their way"
    elif group is not None:
        machines = "nothing is left to do, and no machine was started"
    tell_launch(launch, places.queue, machines, as_json=as_json)


@fleet.command()
@click.argument("job", required=False)
@deployment_option
@queue_option
@deployed_store_option
@json_option
def status(job: str | None, deployment: str, queue: str | None, store: str | None, as_json: bool) -> int:
    """Say how a job stands: per worker and in total, problems done, problems/s, time left, spool level, cost so far.

    JOB: a job's name or its beginning; default is the job whose shards the queue holds. Exit code 1 if shards were
    given up.
    """
    from coordinator.fleet.group import open_group
    from coordinator.fleet.status import find_job, look_at_fleet
    from coordinator.fleet.tell import tell_status

    opened = _open(deployment, queue, store)
    places = opened.places
    group = open_group(places.group, places.region) if places.group else None
    found = find_job(opened.store, job, opened.queue)
    look = look_at_fleet(opened.store, found, opened.queue, group)
    tell_status(look, as_json=as_json)
    return EXIT_SOME_FAILED if look.given_up else 0


@fleet.command()
@click.option("--empty", is_flag=True, help="Delete the shards that wait in the queue, too.")
@deployment_option
@queue_option
def stop(empty: bool, deployment: str, queue: str | None) -> None:
    """End all machines; what they have written stays, and `fleet start` with the same words carries on.

    Each machine's worker finishes the chunk in hand and gives its shard back.
    """
    from coordinator.fleet.group import open_group
    from coordinator.fleet.places import find_places
    from coordinator.fleet.queue import open_queue

    places = find_places(deployment, queue)
    if places.group is None and not empty:
        raise UserInputError("these machines are your own: send SIGTERM to `gpu_workers work` on each, or give --empty")
    if places.group is not None:
        open_group(places.group, places.region).stop()
        click.echo("the machines finish the chunk in hand, and end")
    if empty:
        open_queue(places).empty()
        click.echo("the queue is empty, or will be within a minute")
