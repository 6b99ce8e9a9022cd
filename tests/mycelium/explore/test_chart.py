"""The chart of a trace holds its numbers, and shows hostile tokens as text."""

import json
from typing import Any

from mycelium.explore.chart import chart_traces
from mycelium.explore.trace import Phase, Trace

TRACE = Trace("p<0>", 3, ["two", " +\n", "", "\x1b"], [0.9, 0.8, 0.1, 0.2], [Phase(0, 2, True), Phase(2, 4, False)])


def values_of(data: dict[str, Any], chart: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = data["values"] if "values" in data else chart["datasets"][data["name"]]
    return rows


def test_points_phases_and_threshold_are_in_it() -> None:
    chart = chart_traces([TRACE], 0.5).to_dict()
    shade, rule, line, dots = (values_of(layer["data"], chart) for layer in chart["layer"])
    name = "level 3: p<0> (1 beats)"
    assert [(row["start"], row["end"], row["phase"]) for row in shade] == [
        (-0.5, 1.5, "systole (reading)"),
        (1.5, 3.5, "diastole (reasoning): a beat"),
    ]
    assert rule == [{"threshold": 0.5}]
    assert line == dots
    assert [row["iaf"] for row in dots] == TRACE.iaf
    assert [row["token"] for row in dots] == ["two", "␣+⏎", "∅", "�"]
    assert {row["trace"] for row in (*shade, *dots)} == {name}


def test_one_of_several_is_chosen_below_it() -> None:
    other = Trace("q", None, ["a"], [0.5], [])
    (chosen,) = chart_traces([TRACE, other], 0.5).to_dict()["params"]
    assert chosen["value"] == "level 3: p<0> (1 beats)"
    assert chosen["bind"]["options"] == [chosen["value"], "q (0 beats)"]
    assert "http" not in json.dumps(chosen)
