"""The trace id: X-Ray's form, new each time, and nothing else is sent as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.tracing import is_trace_id, make_trace_id, trace_headers


def test_a_trace_id_is_the_time_and_96_random_bits() -> None:
    assert make_trace_id(lambda: 0x5759E988 + 0.9, lambda n: "ab" * n) == "1-5759e988-abababababababababababab"


@given(st.floats(0, 2.0**40))
def test_whatever_the_clock_says_the_form_is_kept(now_s: float) -> None:
    assert is_trace_id(make_trace_id(lambda: now_s))


def test_two_commands_of_the_same_second_have_two() -> None:
    assert make_trace_id(lambda: 1.0) != make_trace_id(lambda: 1.0)


@pytest.mark.parametrize(
    "text", ["", "1-5759e988", "1-5759e988-bd862e3fe1be46a994272793\r\nX-Evil: 1", "1-é", "x" * 99]
)
def test_what_is_no_trace_id_is_never_sent_as_a_header(text: str) -> None:
    assert not is_trace_id(text)
    assert trace_headers(text) == {}


def test_the_header_leaves_it_to_the_platform_whether_to_sample() -> None:
    trace_id = make_trace_id()
    assert trace_headers(trace_id) == {"X-Amzn-Trace-Id": f"Root={trace_id}"}
