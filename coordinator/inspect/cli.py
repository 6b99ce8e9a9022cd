"""The command `inspect`."""

from typing import TYPE_CHECKING

import click

from coordinator.options import open_named
from mycelium.command import json_option, store_option
from mycelium.settings import expand_home
from mycelium.store import Store, open_store

if TYPE_CHECKING:  # a command imports what it needs when it runs
    from coordinator.inspect.inspect import Look


@click.command()
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
    from coordinator.inspect.inspect import inspect_uri

    opened, key = _split_uri(uri, store)
    _tell(inspect_uri(opened, key), as_json=as_json)


def _split_uri(uri: str, store: str | None) -> tuple[Store, str]:
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return open_store(f"s3://{bucket}"), key
    path = expand_home(uri.removeprefix("file://"))
    if path.is_file():
        return open_store(str(path.parent)), path.name
    if path.is_dir():
        return open_store(str(path)), ""
    return open_named(store), uri


def _tell(look: "Look", *, as_json: bool) -> None:
    """Say what was seen of an object."""
    from coordinator.printing import say_json

    if as_json:
        say_json(look)
        return
    click.echo(look.title)
    for line in look.lines:
        click.echo(line)
