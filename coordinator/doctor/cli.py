"""The command `doctor`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mycelium.command import EXIT_SOME_FAILED, json_option, store_option
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.settings import expand_home, read_settings

if TYPE_CHECKING:  # a command imports what it needs when it runs
    from coordinator.doctor.checks import Finding


@click.command()
@click.option("--deployment", help=f"Deployment that must be there. Default: {DEFAULT_DEPLOYMENT}, if it is.")
@store_option
@json_option
def doctor(deployment: str | None, store: str | None, as_json: bool) -> int:
    """See whether everything is as it must be here, and say what to do where it is not.

    Python, packages, credentials, what was deployed, the store (one small object is written below probes/ and taken
    away again), disks, GPUs, and where requests to AWS go. `good` is good; `note` is what some can do without; `bad`
    will fail, and makes the exit code 1. No secret is shown.

    \b
      python -m coordinator doctor
      python -m coordinator doctor --store s3://BUCKET --deployment mycelium
    """
    from coordinator.printing import say_json

    findings = list(_look(deployment, store))
    if as_json:
        say_json(findings)
    else:
        for finding in findings:
            click.echo(f"{finding.state}  {finding.what}: {finding.said}")
            if finding.advice and finding.state != "good":
                click.echo(f"      {finding.advice}")
    return EXIT_SOME_FAILED if any(finding.state == "bad" for finding in findings) else 0


def _look(deployment: str | None, store: str | None) -> Iterator["Finding"]:
    """Make the checks, the cheapest first."""
    import sys
    import tempfile

    from coordinator.deployment import find_deployment
    from coordinator.doctor import checks, doors
    from mycelium.extras import read_requirements

    settings = read_settings()
    uri, name = store or settings.store, deployment or DEFAULT_DEPLOYMENT
    yield checks.check_python(sys.version_info[:3])
    yield from checks.check_packages(read_requirements(), doors.find_version)
    yield checks.check_gpu(doors.list_gpus(), doors.find_version("torch"))
    folders = [Path(tempfile.gettempdir()), *([] if "://" in uri else [expand_home(uri)])]
    for folder in folders:
        yield checks.check_disk(str(folder), doors.measure_free(folder))
    yield checks.check_endpoint(settings.endpoint)
    in_cloud = deployment is not None or uri.startswith("s3://")
    yield checks.check_credentials(doors.ask_identity, needed=in_cloud)
    yield checks.check_deployment(name, lambda: find_deployment(name, None), needed=deployment is not None)
    yield _look_at_store(uri)


def _look_at_store(uri: str) -> "Finding":
    import secrets

    from coordinator.doctor.checks import Finding, check_store
    from mycelium.errors import MyceliumError
    from mycelium.store import open_store

    if "://" not in uri and not expand_home(uri).exists():
        return Finding(f"store {uri}", "note", "not there yet", "the first `ingest` makes it")
    try:
        return check_store(open_store(uri), secrets.token_hex(8))
    except MyceliumError as error:
        return Finding(f"store {uri}", "bad", str(error), "name another by --store or MYCELIUM_STORE")
