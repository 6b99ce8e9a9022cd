"""Draw a trace in a notebook."""

from typing import TYPE_CHECKING, cast

from mycelium.datasets import IAF
from mycelium.errors import UserInputError
from mycelium.explore.frame import import_package
from mycelium.explore.trace import Rule, find_traces
from mycelium.manifest import Manifest, find_run, read_manifest
from mycelium.store import Store

if TYPE_CHECKING:
    import altair as alt


def plot_trace(
    store: Store, run: str, problem: str | None = None, *, layer: int | None = None, head: int | None = None
) -> "alt.LayerChart":
    """Draw one head's IAF token by token, its phases shaded, its tokens on hover; Jupyter shows what is returned.

    Args:
        store: as `open_store` opens it.
        run: ``heartbeats/run``, whose computing head, threshold and shortest run are taken; or ``iaf/run``.
        problem: the problem's id; None for one of each level, to choose from below the chart.
        layer: another layer than that of the computing head; needed for a run of `iaf`.
        head: another head; needed for a run of `iaf`.

    Raises:
        MissingPackageError: altair is not installed.
        UnknownRunError: no run, or more than one, answers to that name.
        UserInputError: the run has no computing head and none is given, or has no such problem, or no tokens.
    """
    import_package("altair")
    from mycelium.explore.chart import chart_traces  # noqa: PLC0415 - altair is needed for this alone

    manifest = find_run(store, run)
    rule, computing = Rule(), {}
    if "computing_head" in manifest.result:
        rule = Rule(float(cast("float", manifest.params["threshold"])), int(cast("int", manifest.params["min_run"])))
        computing = next(iter(manifest.result["computing_head"]), {})
        manifest = read_manifest(store, *manifest.inputs[0].split("/"))
    layer = layer if layer is not None else cast("int | None", computing.get("layer"))
    head = head if head is not None else cast("int | None", computing.get("head"))
    if layer is None or head is None:
        raise UserInputError(f"{run} names no computing head: say layer and head, or draw a run of heartbeats")
    _check_has_iaf(manifest, run)
    traces = find_traces(store, manifest, layer, head, problem, rule)
    if not traces:
        raise UserInputError(f"{IAF.name}/{manifest.run_id} has no text of tokens beside its signals to draw")
    return chart_traces(traces, rule.threshold)


def _check_has_iaf(manifest: Manifest, run: str) -> None:
    if not manifest.chunks(IAF.name):
        raise UserInputError(f"a trace is drawn of a run of iaf or heartbeats; got {run}, of {manifest.stage}")
