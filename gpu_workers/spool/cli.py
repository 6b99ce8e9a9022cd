"""The command `upload`."""

import click

from mycelium.command import EXIT_SOME_FAILED


@click.command()
@click.option("--spool", required=True, metavar="DIR", help="The folder that `extract --spool DIR` writes to.")
@click.option("--to", required=True, metavar="URI", help="s3://bucket/prefix: the store that `extract` was given.")
@click.option(
    "--max-spool", metavar="SIZE", default="500MB", show_default=True, help="What the folder may hold, all counted."
)
@click.option("--drain", is_flag=True, help="Upload what is there, and end.")
@click.option(
    "--drain-within",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=90.0,
    show_default=True,
    help="On a slow link the folder holds no more than goes out in so long (a spot notice); 0 for no such bound.",
)
@click.option("--concurrency", type=click.IntRange(1, 256), default=16, show_default=True, help="Uploads at once.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="A connection on which nothing moves for so long is given up, and the upload tried again.",
)
@click.option("--json", "as_json", is_flag=True, help="Counters and events as JSON lines on standard output.")
@click.option(
    "--cloudwatch/--no-cloudwatch", default=None, help="Send the counters to CloudWatch. Default: on EC2, yes."
)
def upload(
    spool: str,
    to: str,
    max_spool: str,
    drain: bool,
    drain_within: float,
    concurrency: int,
    timeout: float,
    as_json: bool,
    cloudwatch: bool | None,
) -> int:
    """Carry finished chunks from a spool to S3, and remove those that S3 has confirmed.

    Runs beside `extract --spool DIR` until it is told to end: by Ctrl-C, at once; by SIGTERM or --drain, once the spool
    is empty. Nothing is removed that S3 has not confirmed, and nothing in S3 is replaced. Killed in whatever way, it
    carries on when it is started again.

    \b
      python -m gpu_workers upload --spool /var/spool/mycelium --to s3://BUCKET
      python -m gpu_workers upload --spool /var/spool/mycelium --to s3://BUCKET --drain
    """
    from gpu_workers.spool import Spool
    from gpu_workers.spool.cloudwatch import add_cloudwatch
    from gpu_workers.spool.daemon import Options
    from gpu_workers.spool.tell import telling
    from gpu_workers.spool.upload import parse_size, run_upload

    options = Options(to.rstrip("/"), parse_size(max_spool), drain, concurrency, drain_within, timeout)
    with telling(as_json=as_json) as tell:
        left = run_upload(Spool(spool), options, add_cloudwatch(tell, cloudwatch))
    return EXIT_SOME_FAILED if left else 0
