"""The report's figures, as Vega-Lite specifications."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from mycelium.explore.chart import FAINT, GREY, OURS, PAPER, chart_traces
from mycelium.explore.trace import Trace
from mycelium.schema import Row

PALETTE = (OURS, PAPER, "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Okabe and Ito's palette, in the order of use; what it tells apart differs in shape or place too."""


def draw_levels(levels: Sequence[Row]) -> dict[str, Any]:
    """Draw mean heartbeats by level with one standard deviation, beside the paper's means."""
    rows: list[dict[str, Any]] = []
    for row in levels:
        mean, spread = float(row["mean"] or 0), float(row["deviation"] or 0)
        level = "unknown" if row["level"] is None else str(row["level"])
        common = {"level": level, "problems": row["problems"]}
        rows.append({**common, "whose": "ours", "beats": mean, "low": max(0.0, mean - spread), "high": mean + spread})
        if row["paper"] is not None:
            rows.append({**common, "whose": "the paper", "beats": row["paper"], "low": None, "high": None})
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("level:N", title="MATH level", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("whose:N"),
    )
    bars = base.mark_bar().encode(
        y=alt.Y("beats:Q", title="heartbeats a problem (mean ± deviation)"),
        color=alt.Color(
            "whose:N",
            title=None,
            legend=alt.Legend(orient="top"),
            scale=alt.Scale(domain=["ours", "the paper"], range=[OURS, PAPER]),
        ),
        tooltip=["whose:N", "level:N", alt.Tooltip("beats:Q", format=".2f"), "problems:Q"],
    )
    errors = base.mark_rule(strokeWidth=2, color=GREY).encode(y="low:Q", y2="high:Q")
    return _finish((bars + errors).properties(width=520, height=280))


def draw_traces(traces: Sequence[Trace], threshold: float) -> dict[str, Any]:
    """Draw the IAF of one problem at a time, its beats shaded, its tokens on hover."""
    return _finish(chart_traces(traces, threshold))


def draw_bars(rows: Sequence[Mapping[str, Any]], name: str, value: str, title: str) -> dict[str, Any]:
    """Draw one bar for each row, in the order of the rows.

    Args:
        rows: the data.
        name: the column that names a bar.
        value: the column that is its length.
        title: what the length means.
    """
    data = [{"name": str(row[name]), "value": row[value]} for row in rows]
    chart = (
        alt.Chart(alt.InlineData(values=data))
        .mark_bar(color=OURS)
        .encode(
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
            x=alt.X("value:Q", title=title),
            tooltip=["name:N", "value:Q"],
        )
    )
    return _finish(chart.properties(width=560, height=alt.Step(17)))


def draw_lines(
    rows: Sequence[Mapping[str, Any]], x: str, lines: Mapping[str, str], titles: tuple[str, str]
) -> dict[str, Any]:
    """Draw some columns over another, each as a line with points of its own colour and shape.

    Args:
        rows: the data.
        x: the column along which they are drawn.
        lines: the name of each line, by its column; what is missing in a row leaves a gap.
        titles: of the two axes.
    """
    data = [
        {"x": row[x], "y": row[column], "line": name}
        for column, name in lines.items()
        for row in rows
        if row.get(column) is not None
    ]
    scale = alt.Scale(domain=list(lines.values()), range=list(PALETTE[: len(lines)]))
    chart = (
        alt.Chart(alt.InlineData(values=data))
        .mark_line(point=alt.OverlayMarkDef(size=40))
        .encode(
            x=alt.X("x:Q", title=titles[0], axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("y:Q", title=titles[1]),
            color=alt.Color("line:N", title=None, scale=scale, legend=alt.Legend(orient="top", labelLimit=320)),
            strokeDash=alt.StrokeDash("line:N", title=None, scale=alt.Scale(domain=list(lines.values()))),
            tooltip=["line:N", alt.Tooltip("x:Q"), alt.Tooltip("y:Q", format=".3f")],
        )
    )
    return _finish(chart.properties(width=620, height=280))


def draw_clocks(rows: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Draw clocks against each other, a point for each problem.

    Args:
        rows: one for each problem, with its counts and its level.
        pairs: which column is drawn over which.
    """
    panels = [
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
        .mark_circle(size=24, opacity=0.35)
        .encode(
            x=alt.X(f"{x}:Q", title=x),
            y=alt.Y(f"{y}:Q", title=y),
            color=alt.Color("level:O", title="level", scale=alt.Scale(scheme="viridis")),
            tooltip=["problem:N", "level:O", f"{x}:Q", f"{y}:Q"],
        )
        .properties(width=250, height=220)
        for x, y in pairs
    ]
    return _finish(alt.hconcat(*panels))


def draw_together(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Draw how many problems bear two classes both, as a square of cells.

    Args:
        rows: pairs of classes, ``class`` and ``with``, and their ``problems``.
        names: the classes, in the order of the axes.
    """
    cells = [
        {"a": a, "b": b, "problems": row["problems"]}
        for row in rows
        for a, b in ((row["class"], row["with"]), (row["with"], row["class"]))
        if a in names and b in names
    ]
    axis = alt.Axis(labelLimit=160)
    chart = (
        alt.Chart(alt.InlineData(values=cells))
        .mark_rect()
        .encode(
            x=alt.X("a:N", sort=list(names), title=None, axis=axis),
            y=alt.Y("b:N", sort=list(names), title=None, axis=axis),
            color=alt.Color("problems:Q", scale=alt.Scale(scheme="viridis")),
            tooltip=["a:N", "b:N", "problems:Q"],
        )
    )
    return _finish(chart.properties(width=alt.Step(22), height=alt.Step(22)))


def draw_gantt(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Draw when each task ran, a strip for each stage, those that were tried more than once in orange.

    Args:
        rows: tasks with ``stage``, ``chunk``, ``start_s``, ``end_s``, ``attempts``, ``status`` and ``lane``: the row
            within the stage's strip, so that no two tasks cover each other.
    """
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    chart = (
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
        .mark_bar(height=5)
        .encode(
            x=alt.X("start_s:Q", title="seconds since the stage's first task began", axis=alt.Axis(tickCount=8)),
            x2="end_s:Q",
            y=alt.Y("lane:O", title=None, axis=None),
            color=alt.Color(
                "kind:N",
                title=None,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=["once", "tried again", "failed"], range=[OURS, PAPER, "#D55E00"]),
            ),
            tooltip=[
                "chunk:N",
                "status:N",
                "attempts:Q",
                alt.Tooltip("start_s:Q", format=".3f"),
                alt.Tooltip("end_s:Q", format=".3f"),
            ],
            row=alt.Row("stage:N", title=None, sort=stages, header=alt.Header(labelAngle=0, labelAlign="left")),
        )
        .properties(width=760, height=alt.Step(6))
        .resolve_scale(x="independent", y="independent")
    )
    return _finish(chart)


def _finish(chart: Any) -> dict[str, Any]:  # noqa: ANN401 - charts, layers and rows of them
    specification: dict[str, Any] = chart.configure_axis(gridOpacity=FAINT).to_dict()
    return specification
