"""How a work stands, in words."""

from collections import Counter

import pytest

from mycelium.progress.state import PlainProgress, Progress, Traffic


@pytest.mark.parametrize(
    ("failed", "kinds", "said"),
    [
        (0, {}, ""),
        (2, {}, "2 failed"),
        (3, {"KeyError": 1, "StoreError": 2}, "3 failed (2 StoreError, 1 KeyError)"),
        (9, {"A": 4, "B": 3, "C": 1, "D": 1}, "9 failed (4 A, 3 B, 1 C, 1 other kinds)"),
    ],
)
def test_failures_are_named_the_commonest_first(failed: int, kinds: dict[str, int], said: str) -> None:
    assert Progress("work", 9, failed=failed, failures=Counter(kinds)).describe_failures() == said


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        (Traffic(), ""),
        (Traffic(8, 2, 0), "2 retries"),
        (Traffic(8, 5, 3), "5 retries (3 throttled)"),
    ],
)
def test_what_was_tried_again_is_said(traffic: Traffic, said: str) -> None:
    assert Progress("work", 9, traffic=traffic).describe_traffic() == said


def test_a_plain_line_says_failures_and_retries(capsys: pytest.CaptureFixture[str]) -> None:
    work = PlainProgress("work", 1, failures=Counter({"Key\x1b[2J": 1}), traffic=Traffic(1, 5, 3))
    work.advance(failed=True)
    assert "work: 1/1 chunks, 1 failed (1 Key�[2J), 5 retries (3 throttled), 0.0 s left\n" in capsys.readouterr().err
