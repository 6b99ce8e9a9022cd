"""Options that many commands have."""

import click

from coordinator.options import complete_run
from tests.coordinator.command_line import Cli


def test_a_shell_completes_runs_of_a_folder_and_asks_no_bucket(filled: Cli) -> None:
    context = click.Context(click.Command("status"))
    argument = click.Argument(["run"])
    assert complete_run(context, argument, "ia") == ["iaf/gsm8k-aaaaaaaaaaaa"]
    assert complete_run(context, argument, "x") == []
    context.params["store"] = str(filled.store / "iaf")
    assert complete_run(context, argument, "") == []
    for uri in ("s3://bucket", "gs://bucket", "/no/such/folder"):
        context.params["store"] = uri
        assert complete_run(context, argument, "") == []
