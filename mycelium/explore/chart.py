"""The chart of a trace, as the report and notebooks draw it."""

from collections.abc import Sequence
from typing import cast

import altair as alt

from mycelium.explore.trace import Trace

OURS, PAPER = "#0072B2", "#E69F00"
"""Blue and orange of Okabe and Ito's palette: told apart by every kind of eye."""

GREY = "#888"

FAINT = 0.25
"""Opacity of grids: seen on light and on dark paper."""

READING, REASONING = "systole (reading)", "diastole (reasoning): a beat"


def chart_traces(traces: Sequence[Trace], threshold: float) -> alt.LayerChart:
    """Chart the IAF of one problem at a time, its phases shaded, its tokens on hover.

    Args:
        traces: at least one; a field below the chart chooses among them.
        threshold: the IAF from which a token is reading, drawn as a line.
    """
    names = [_name_trace(trace) for trace in traces]
    points = [
        {"trace": name, "t": t, "iaf": iaf, "token": _show_token(token)}
        for name, trace in zip(names, traces, strict=True)
        for t, (iaf, token) in enumerate(zip(trace.iaf, trace.tokens, strict=True))
    ]
    spans = [
        {
            "trace": name,
            "start": phase.start - 0.5,
            "end": phase.end - 0.5,
            "phase": READING if phase.reading else REASONING,
        }
        for name, trace in zip(names, traces, strict=True)
        for phase in trace.phases
    ]
    chosen = alt.param(name="chosen", value=names[0], bind=alt.binding_select(options=names, name="Problem: "))
    is_chosen = "datum.trace === chosen"
    shade = (
        alt.Chart(alt.InlineData(values=spans))
        .transform_filter(is_chosen)
        .mark_rect(opacity=0.35)
        .encode(
            x=alt.X("start:Q", title="generated token", scale=alt.Scale(nice=False)),
            x2="end:Q",
            color=alt.Color(
                "phase:N",
                title=None,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=[READING, REASONING], range=[PAPER, OURS]),
            ),
        )
    )
    base = alt.Chart(alt.InlineData(values=points)).transform_filter(is_chosen).encode(x="t:Q")
    line = base.mark_line(color=GREY, strokeWidth=1).encode(
        y=alt.Y("iaf:Q", title="IAF", scale=alt.Scale(domain=[0, 1]))
    )
    dots = base.mark_circle(color=GREY, size=28).encode(
        y="iaf:Q", tooltip=[alt.Tooltip("token:N"), alt.Tooltip("t:Q"), alt.Tooltip("iaf:Q", format=".3f")]
    )
    rule = (
        alt.Chart(alt.InlineData(values=[{"threshold": threshold}]))
        .mark_rule(strokeDash=[4, 4], color=GREY)
        .encode(y="threshold:Q")
    )
    return cast(
        "alt.LayerChart", alt.layer(shade, rule, line, dots).add_params(chosen).properties(width=900, height=260)
    )


def _name_trace(trace: Trace) -> str:
    level = "" if trace.level is None else f"level {trace.level}: "
    beats = sum(not phase.reading for phase in trace.phases)
    return f"{level}{trace.problem_id} ({beats} beats)"


def _show_token(token: str) -> str:
    """Return a token's text with its white space to be seen."""
    return "".join({" ": "␣", "\n": "⏎", "\t": "⇥"}.get(c, c if c.isprintable() else "�") for c in token) or "∅"
