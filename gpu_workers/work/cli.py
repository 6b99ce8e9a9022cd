"""The command `work`."""

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpu_workers.options import device_option, spool_option
from mycelium.command import EXIT_SOME_FAILED, store_option
from mycelium.settings import expand_home, read_settings

if TYPE_CHECKING:  # it would bring in torch
    from gpu_workers.work.shard_reader import ShardReader

MODEL_CACHE = "~/.cache/mycelium/models"


@click.command()
@click.option("--queue", required=True, metavar="URL", help="Queue of shards; `coordinator fleet start` prints it.")
@store_option
@spool_option
@click.option(
    "--model-cache",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(MODEL_CACHE),
    show_default=True,
    help="Where a teacher named by an s3:// URI is kept, once fetched.",
)
@click.option(
    "--batch-tokens",
    type=click.IntRange(1),
    help="Tokens in one forward pass, padding included. Default: 8,192 on a GPU, 4,096 elsewhere.",
)
@device_option
@click.option("--name", help="What to call this worker. Default: the machine's id, or host and process.")
@click.option(
    "--lease",
    "lease_s",
    type=click.IntRange(3, 43_200),
    default=120,
    show_default=True,
    metavar="SECONDS",
    help="How long a shard stays with a worker that has died; it is renewed three times in that.",
)
@click.option(
    "--idle",
    "idle_s",
    type=click.IntRange(0),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long to stay while others are at the last shards: one of them may die.",
)
@click.option(
    "--leave-group",
    is_flag=True,
    help="When there is nothing left to do, take this machine out of its Auto Scaling group and end it.",
)
@click.option("--metadata", metavar="URL", help="Where to look for a spot notice. Default: EC2's own address.")
@click.option("--quiet", is_flag=True, help="Say nothing of what happens.")
def work(
    queue: str,
    store: str | None,
    spool: str | None,
    model_cache: Path,
    batch_tokens: int | None,
    device: str | None,
    name: str | None,
    lease_s: int,
    idle_s: int,
    leave_group: bool,
    metadata: str | None,
    quiet: bool,
) -> int:
    """Read shard after shard from a queue, until there are none.

    A shard is an index range of a job's problems. It stays leased to this worker while it is read, and is acknowledged
    when every chunk of it is in the store; chunks that are there already, of a worker that died, say, are skipped. The
    teacher and its settings are the job's: the first worker's teacher is the run's, and another one is refused.

    On SIGTERM, Ctrl-C and a spot notice it finishes the chunk in hand, gives the shard back and exits with 0. A shard
    that kills its worker three times goes to the dead-letter queue; `coordinator fleet status` says at which problem.

    Without a queue: `extract --start-idx N --end-idx M` on each machine.

    \b
      python -m gpu_workers work --queue https://sqs.us-east-1.amazonaws.com/123456789012/NAME --store s3://BUCKET
    """
    from gpu_workers.spool import Spool, SpoolStore
    from gpu_workers.work.lease import ShardQueue
    from gpu_workers.work.notice import (
        METADATA_ENDPOINT,
        Metadata,
        Stop,
        describe_machine,
        leave_group_with,
        stop_on_signals,
        watch_for_notice,
    )
    from gpu_workers.work.worker import Reporter, Worker, first_status
    from mycelium.fleet.records import PREFIX, Job
    from mycelium.store import open_store

    cache, stop = expand_home(model_cache), Stop()
    stop_on_signals(stop)
    opened = open_store(store or read_settings().store)
    next(opened.list(PREFIX), None)  # a store that is not there is said before a shard is leased
    shards = ShardQueue.open(queue, lease_s)
    asked = Metadata(metadata or METADATA_ENDPOINT)
    machine = describe_machine(asked)
    if machine.instance:
        watch_for_notice(asked, stop)

    def open_reader(job: Job) -> "ShardReader":
        # torch and transformers take seconds to import, and there may be nothing to do.
        from gpu_workers.work.shard_reader import open_reader as load

        return load(opened, spooled, job, cache=cache, device=device, batch_tokens=batch_tokens)

    called = name or machine.instance or f"{socket.gethostname()}-{os.getpid()}"
    reporter = Reporter(opened, first_status(called, machine))
    spooled = SpoolStore(opened, Spool(spool), reporter.note) if spool else None
    if spooled is not None:
        folder = spooled.spool
        reporter.measure = lambda: (folder.level().bytes, folder.read_state().budget)
    worker = Worker(
        queue=shards,
        store=opened,
        open_reader=open_reader,
        stop=stop,
        reporter=reporter,
        machine=machine,
        idle_s=idle_s,
        tell=(lambda _: None) if quiet else (lambda line: click.echo(f"{called}: {line}", err=True)),
    )
    end = worker.run()
    click.echo(f"{called}: {end.reason}; {end.shards} shards finished, {end.problems} problems read")
    for line in end.failed:
        click.echo(f"failed: {line}", err=True)
    if leave_group and end.is_done:
        leave_group_with(machine)
    return EXIT_SOME_FAILED if end.failed else 0
