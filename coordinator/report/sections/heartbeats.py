"""Heartbeats by level, and traces token by token."""

from collections.abc import Iterator

import msgspec

from coordinator.report.charts import draw_levels, draw_traces
from coordinator.report.family import Family
from coordinator.report.section import Section, Table
from lambdas.stages.heartbeat import HeartbeatParams
from mycelium.errors import ObjectNotFoundError
from mycelium.explore.trace import Rule, Trace, find_traces
from mycelium.manifest import Manifest, read_manifest
from mycelium.store import Store


def describe_heartbeats(family: Family, store: Store, problem: str | None) -> Iterator[Section]:
    """Yield what the heartbeats say.

    Args:
        family: the runs.
        store: where they are.
        problem: the problem whose trace is drawn; None for one of each level.

    Raises:
        UserInputError: the problem is in none of the chunks.
    """
    manifest = family.by_stage.get("heartbeat")
    if manifest is None:
        return
    params = msgspec.convert(manifest.params, HeartbeatParams)
    computing = next(iter(family.result("heartbeat", "computing_head")), None)
    if computing is None:
        yield Section("levels", "Heartbeats by level", (), "No heartbeats: no chunk of this run is done.")
        return
    layer, head = int(str(computing["layer"])), int(str(computing["head"]))
    chosen = "as given" if computing["chosen_by"] == "given" else "the most bimodal of all heads"
    levels = manifest.result.get("levels", [])
    yield Section(
        "levels",
        "Heartbeats by level",
        (
            Table("Beats of the computing head, a problem", levels),
            Table("The most bimodal heads", manifest.result["heads"]),
        ),
        f"Threshold {params.threshold}, runs of at least {params.min_run} tokens. Computing head: layer {layer}, head "
        f"{head}, {chosen}.",
        draw_levels(levels),
        "Mean heartbeats by level with one standard deviation, beside the paper's means",
    )
    traces = _find_traces(store, manifest, layer, head, problem)
    if not traces:
        yield Section(
            "trace", "Input attention fraction", (), "No trace: the signals this run read are not in the store."
        )
        return
    rows = [
        {
            "problem": trace.problem_id,
            "level": trace.level,
            "tokens": len(trace.tokens),
            "beats": sum(not phase.reading for phase in trace.phases),
            "phases (R reading, C computing, with tokens)": " ".join(
                f"{'R' if phase.reading else 'C'}{phase.end - phase.start}" for phase in trace.phases
            ),
        }
        for trace in traces
    ]
    yield Section(
        "trace",
        "Input attention fraction, token by token",
        (Table("The phases of each trace, in order", rows),),
        "How much of the attention that produced a token went back to the problem: near 1 the head reads, near 0 it "
        "works on what it has written. Shaded: the phases that count. Hover over a point for its token.",
        draw_traces(traces, params.threshold),
        "Input attention fraction over the generated tokens of one problem, its phases shaded",
    )


def _find_traces(store: Store, heartbeats: Manifest, layer: int, head: int, problem: str | None) -> list[Trace]:
    """Return the traces that a run counted beats in; none where the signals are no longer in the store."""
    try:
        source = read_manifest(store, *heartbeats.inputs[0].split("/"))
    except ObjectNotFoundError:
        return []
    params = msgspec.convert(heartbeats.params, HeartbeatParams)
    return find_traces(store, source, layer, head, problem, Rule(params.threshold, params.min_run))
