"""What a function logs: one line, which is JSON, and CloudWatch's embedded metric format, and says no text."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium import errors
from mycelium.errors import StoreNotAvailableError
from mycelium.logs import (
    DIMENSIONS,
    FAILURE_DIMENSIONS,
    FAILURES,
    METRICS,
    OTHER_FAILURE,
    TaskLine,
    describe_task,
    format_time,
    log_task,
    name_failure,
)
from mycelium.manifest import ObjectRef, Outcome
from mycelium.settings import Settings
from tests.mycelium.test_wire import CALL

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
CALL_OF_TRACE = replace(CALL, trace_id=TRACE)
SETTINGS = Settings(deployment="mine")
DONE = Outcome("00007", "done", (ObjectRef("heartbeats", "k", 120, "ab" * 32),), n_problems=64, bytes_read=4096)
FAILED = Outcome("00007", "failed", error="what is 3 apples", error_kind="BadSignalError")

UNITS = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
]

METRIC_SCHEMA = {
    "type": "object",
    "required": ["Name"],
    "additionalProperties": False,
    "properties": {
        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
        "Unit": {"enum": UNITS},
        "StorageResolution": {"enum": [1, 60]},
    },
}
EMF_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {"type": "array", "maxItems": 100, "items": METRIC_SCHEMA},
                        },
                    },
                },
            },
        }
    },
}
"""The embedded metric format, from "Specification: Embedded metric format" of the CloudWatch User Guide."""

TARGETS = "what a directive names is a member of the root: a number for a metric, a text of 1 to 1,024 for a dimension"


def check_emf(line: dict[str, Any]) -> None:
    """Hold a line to the format: its schema, and what a schema can't say."""
    jsonschema.validate(line, EMF_SCHEMA)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            assert isinstance(value, int | float), TARGETS
            assert not isinstance(value, bool), TARGETS
        for name in (name for names in directive["Dimensions"] for name in names):
            assert isinstance(line[name], str), TARGETS
            assert 1 <= len(line[name]) <= 1024, TARGETS


def encode(outcome: Outcome, **more: Any) -> dict[str, Any]:
    """Return the line of an outcome, as CloudWatch reads it."""
    line: dict[str, Any] = json.loads(
        msgspec.json.encode(describe_task(CALL_OF_TRACE, outcome, SETTINGS, 1_700_000_000.25, **more))
    )
    return line


OUTCOMES = st.builds(
    Outcome,
    chunk_id=st.just("00007"),
    status=st.sampled_from(["done", "found", "failed"]),
    error=st.none() | st.text(),
    error_kind=st.none() | st.text() | st.sampled_from(sorted(FAILURES)),
    n_problems=st.integers(0, 10**6),
    bytes_read=st.integers(0, 2**40),
    wall_s=st.floats(0, 900),
    peak_mb=st.floats(0, 10_240),
)


@given(OUTCOMES, st.booleans())
def test_every_line_is_in_the_embedded_metric_format_and_of_its_own_schema(outcome: Outcome, raised: bool) -> None:
    line = encode(outcome, raised=raised)
    check_emf(line)
    msgspec.convert(line, TaskLine)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"task_s": "1.0"}, "a member of the root"),
        ({"deployment": ""}, "a member of the root"),
        ({"_aws": {"Timestamp": 1.5, "CloudWatchMetrics": []}}, "integer"),
        ({"_aws": {"CloudWatchMetrics": []}}, "Timestamp"),
    ],
)
def test_the_check_itself_finds_what_is_wrong(change: dict[str, Any], why: str) -> None:
    with pytest.raises((AssertionError, jsonschema.ValidationError), match=why):
        check_emf(encode(DONE) | change)


def dimension_sets(line: dict[str, Any]) -> set[tuple[str, ...]]:
    """Return the dimensions that a line's metrics are told apart by."""
    return {tuple(names) for directive in line["_aws"]["CloudWatchMetrics"] for names in directive["Dimensions"]}


def test_run_chunk_and_trace_are_fields_and_no_dimensions() -> None:
    line = encode(FAILED)
    assert (line["run_id"], line["chunk_id"], line["stage"]) == ("gsm8k-0123456789ab", "00007", "heartbeat")
    assert line["trace_id"] == TRACE
    assert dimension_sets(line) == {DIMENSIONS, FAILURE_DIMENSIONS}
    assert not {"run_id", "chunk_id", "trace_id", "request_id", "error_kind"} & {*FAILURE_DIMENSIONS}


def metrics_of(lines: Sequence[dict[str, Any]]) -> set[tuple[object, ...]]:
    """Return the metrics that some lines make, as CloudWatch counts and charges them."""
    return {
        (metric["Name"], *(line[name] for name in names))
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def test_a_stage_has_a_bounded_number_of_metrics_whatever_fails() -> None:
    kinds = [*sorted(FAILURES), *(f"Bug{i}" for i in range(1000)), None]
    lines = [encode(DONE), *(encode(replace(FAILED, error_kind=kind)) for kind in kinds)]
    assert len(metrics_of(lines)) == len(METRICS) + len(FAILURES) + 1
    assert len(metrics_of(lines[:1])) == len(METRICS)


def test_every_error_of_the_tree_is_counted_by_its_name_and_others_together() -> None:
    tree = {name for name, value in vars(errors).items() if isinstance(value, type)} & FAILURES
    assert "ChunkDamagedError" in tree
    assert {name_failure(name) for name in tree} == tree
    assert name_failure("KeyError") == name_failure(None) == OTHER_FAILURE


def test_no_text_of_an_error_is_logged() -> None:
    assert "apples" not in json.dumps(encode(FAILED))


def test_bytes_written_are_those_of_this_task() -> None:
    assert encode(DONE)["bytes_written"] == 120
    assert encode(replace(DONE, status="found"))["bytes_written"] == 0


def test_a_failure_is_one_failure_and_a_success_is_none() -> None:
    assert (encode(FAILED)["failures"], encode(FAILED)["level"], encode(FAILED)["failure"]) == (
        1,
        "ERROR",
        "BadSignalError",
    )
    assert encode(DONE)["failures"] == 0
    assert "failure" not in encode(DONE)


class _Context:
    aws_request_id = "8f5ad2b4"


def log(outcome: Outcome | Exception, monkeypatch: pytest.MonkeyPatch, level: str = "INFO") -> list[str]:
    """Log a task that ends in some way, and return what is written."""
    monkeypatch.setenv("MYCELIUM_DEPLOYMENT", "mine")
    monkeypatch.setenv("MYCELIUM_LOG_LEVEL", level)
    ticks = iter([100.0, 103.5, 103.5])
    written: list[str] = []
    with log_task(CALL_OF_TRACE, _Context(), lambda: next(ticks), written.append) as told:
        if isinstance(outcome, Exception):
            raise outcome
        told.finish(outcome)
    return written


def test_a_task_is_one_line_with_the_platform_s_own_id(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = log(DONE, monkeypatch)
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    read = msgspec.json.decode(line, type=TaskLine)
    assert (read.request_id, read.deployment, read.status) == ("8f5ad2b4", "mine", "done")
    assert read.aws.timestamp == 103_500


def test_at_level_error_only_failures_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert log(DONE, monkeypatch, "ERROR") == []
    assert len(log(FAILED, monkeypatch, "ERROR")) == 1
    assert len(log(DONE, monkeypatch, "no such level")) == 1


def test_an_invocation_that_fails_is_logged_with_what_it_took_and_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYCELIUM_DEPLOYMENT", "mine")
    ticks, written = iter([100.0, 103.5, 103.5]), list[str]()
    with (
        pytest.raises(StoreNotAvailableError),
        log_task(CALL_OF_TRACE, None, lambda: next(ticks), written.append),
    ):
        raise StoreNotAvailableError("s3://bucket is away")
    line = json.loads(written[0])
    check_emf(line)
    assert (line["status"], line["error_kind"], line["task_s"]) == ("raised", "StoreNotAvailableError", 3.5)


def test_outside_a_deployment_the_line_is_in_the_format_too() -> None:
    check_emf(json.loads(msgspec.json.encode(describe_task(CALL, FAILED, Settings(), 0.0))))


def test_a_time_is_rfc_3339_in_utc() -> None:
    assert format_time(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
