"""The platform's words, without LocalStack."""

import json

import pytest

from localstack_process_executor import report


def test_a_report_bills_loading_too_and_rounds_up() -> None:
    figures = report.Report("id", duration_ms=10.2, init_ms=100.5, memory_mb=128, peak_bytes=40 << 20)
    assert figures.lines() == (
        "END RequestId: id\n"
        "REPORT RequestId: id\tDuration: 10.20 ms\tBilled Duration: 111 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 40 MB\tInit Duration: 100.50 ms\t\n"
    )


def test_memory_used_is_never_more_than_the_function_has() -> None:
    figures = report.Report("id", duration_ms=1, init_ms=None, memory_mb=128, peak_bytes=900 << 20)
    assert figures.used_mb == 128


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-6, "Runtime exited with error: signal: aborted"),
        (-8, "Runtime exited with error: signal: floating point exception"),
    ],
)
def test_the_end_of_a_process_is_told_as_on_aws(status: int, message: str) -> None:
    error = report.exited(status)
    assert json.loads(error.payload("id")) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: id Error: {message}",
    }


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}"])
def test_an_error_that_says_nothing_is_unknown(body: bytes) -> None:
    assert report.posted(body).kind == "Runtime.Unknown"
