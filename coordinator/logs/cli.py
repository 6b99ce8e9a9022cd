"""The command `logs`."""

import click

from mycelium.command import store_option
from mycelium.deployment import DEFAULT_DEPLOYMENT


@click.command()
@click.argument("run")
@click.option("--failed", is_flag=True, help="Only tasks that failed.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="Lines at most.")
@click.option("--deployment", default=DEFAULT_DEPLOYMENT, show_default=True, help="What `cdk deploy` called the stack.")
@store_option
def logs(run: str, *, failed: bool, limit: int, deployment: str, store: str | None) -> None:
    """Show what the functions logged for a run on Lambda: a JSON object a line, for each attempt at a chunk.

    What the lines say is in docs/events.md. RUN's manifest has the trace id by which they are found.

    \b
      python -m coordinator logs gsm8k-0123456789ab --failed | jq -r '[.chunk_id, .error_kind] | @tsv'
    """
    from coordinator.deployment import find_deployment
    from coordinator.logs.search import find_log_groups, search_lines
    from mycelium.aws import calling_aws, make_client
    from mycelium.errors import UserInputError
    from mycelium.manifest import find_run
    from mycelium.store import open_store

    opened = open_store(store or f"s3://{find_deployment(deployment, None).bucket}")
    manifest = find_run(opened, run)
    if not manifest.trace_id or manifest.executor == "local":
        raise UserInputError(f"run {manifest.run_id} logged nothing: it ran by executor {manifest.executor!r}")
    found = find_deployment(deployment, manifest.stage)
    with calling_aws("the functions' logs"):
        groups = find_log_groups(make_client("lambda", found.region), found.function)
        client = make_client("logs", found.region)
        for line in search_lines(
            client, groups, manifest.trace_id, manifest.finished_s, only_failed=failed, limit=limit
        ):
            click.echo(line)
