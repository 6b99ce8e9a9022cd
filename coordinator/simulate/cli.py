"""The command `simulate`."""

import click

from coordinator.options import open_named
from mycelium.command import json_option, store_option


@click.command()
@click.argument("run", required=False)
@click.option(
    "--task-s", metavar="MEDIAN[:SIGMA]", help="How long tasks take, in place of a run's: seconds, log-normal."
)
@click.option("--chunks", default="10000,100000,1000000", show_default=True, metavar="N,N", help="How many chunks.")
@click.option("--concurrency", type=click.IntRange(min=1), default=1000, show_default=True, help="Tasks at a time.")
@click.option("--prefixes", type=click.IntRange(min=1), default=1, show_default=True, help="Prefixes of keys.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws.")
@store_option
@json_option
def simulate(
    run: str | None,
    *,
    task_s: str | None,
    chunks: str,
    concurrency: int,
    prefixes: int,
    seed: int,
    store: str | None,
    as_json: bool,
) -> None:
    """Say how long a run of any size would take on AWS, and which way to take; nothing is run or paid for.

    Tasks take as long as those of RUN did, whole chunks and starts included, or as is stated. What is simulated is
    said in docs/scale.md.

    \b
      python -m coordinator simulate heartbeats/gsm8k --chunks 10000,1000000
      python -m coordinator simulate --task-s 0.3:0.5
    """
    from dataclasses import replace

    from coordinator.cost.prices import read_prices
    from coordinator.printing import format_table, say_json
    from coordinator.simulate.limits import Limits
    from coordinator.simulate.page import rows_of, simulate_all
    from coordinator.simulate.ways import advise
    from coordinator.simulate.work import measured_work, stated_work
    from lambdas.stages import find_stage, stage_names
    from mycelium.errors import UserInputError
    from mycelium.manifest import find_run

    if bool(run) == bool(task_s):
        raise UserInputError("name a run whose times are taken, or state them by --task-s; one of the two")
    try:
        counts = [int(text) for text in chunks.split(",")]
    except ValueError:
        counts = [0]
    if not all(1 <= count <= 10_000_000 for count in counts):
        raise UserInputError(f"--chunks is some numbers from 1 to 10,000,000, such as 10000,100000; got {chunks!r}")
    if run:
        manifest = find_run(open_named(store), run)
        stage = next((find_stage(name) for name in stage_names() if name == manifest.stage), None)
        work = measured_work(manifest)
        work = work if stage is None else replace(work, memory_mb=stage.memory_mb)
    else:
        work = stated_work(task_s or "")
    prices = read_prices()
    limits = Limits(concurrency=concurrency, n_prefixes=prefixes)
    found = [(count, simulate_all(work, count, limits, seed)) for count in counts]
    rows = [row for count, ways in found for row in rows_of(ways, count, prices)]
    advice = {str(count): advise(ways, limits) for count, ways in found}
    if as_json:
        say_json({"task_s": work.mean_s, "ways": rows, "advice": advice, "prices_of": prices.of})
        return
    click.echo(f"tasks of {work.mean_s:.3g} s on the average of {len(work.task_s)} times")
    click.echo(format_table(rows))
    click.echo(f"prices of {prices.of}; {work.memory_mb} MB a function")
    for count, sentence in advice.items():
        click.echo(f"{int(count):,} chunks: {sentence}")
