"""The commands `plan` and `prices`."""

from typing import cast

import click

from mycelium.command import json_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("stage")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def plan(context: click.Context, stage: str, options: tuple[str, ...]) -> int:
    """Say what a stage would do, how long that takes, and what it costs, here and on Lambda.

    OPTIONS are those of `run-stage STAGE`, of which this is --dry-run. With --probe N a few chunks are done for real,
    so that there is something to estimate from.

    \b
      python -m coordinator plan heartbeat
      python -m coordinator plan labels --input steps/gsm8k-0123456789ab --probe 5
    """
    group = cast("click.Group", context.find_root().command)
    run_stage = cast("click.Group", group.get_command(context, "run-stage"))
    _, command, _ = run_stage.resolve_command(context, [stage])
    if command is None:
        return 0
    with command.make_context(f"run-stage {stage}", [*options, "--dry-run"], parent=context.parent) as inner:
        return int(command.invoke(inner))


@click.command()
@click.option("--refresh", is_flag=True, help="Ask the AWS Price List API, and keep what it says from now on.")
@click.option("--region", help="With --refresh: of which region. Default: $AWS_REGION, or us-east-1.")
@json_option
def prices(*, refresh: bool, region: str | None, as_json: bool) -> None:
    """Say what estimates and costs are reckoned with: prices of AWS, their region, their date and whence they are.

    Those that come with the code are list prices of us-east-1. With --refresh they are asked for anew, which needs AWS
    credentials that may `pricing:GetProducts`, and kept below $XDG_CACHE_HOME, or ~/.cache.
    """
    from dataclasses import asdict

    from coordinator.cost.prices import DEFAULT_REGION, KINDS, price_file, read_prices, write_prices
    from coordinator.printing import format_table, say_json
    from mycelium.errors import UserInputError
    from mycelium.settings import read_settings

    if region is not None and not refresh:
        raise UserInputError("--region says of which region to ask for prices: give --refresh, too")
    if refresh:
        from coordinator.cost.refresh import ask_prices

        write_prices(ask_prices(region or read_settings().region or DEFAULT_REGION))
    table = read_prices()
    if as_json:
        say_json(asdict(table))
        return
    click.echo(f"US dollars, {table.region}, {table.date}; from {table.source}")
    click.echo(format_table([{"price": name, "USD": f"{getattr(table, name):.10f}"} for name in KINDS]))
    if price_file().exists():
        click.echo(f"kept in {price_file()}; delete it for those that come with the code")
