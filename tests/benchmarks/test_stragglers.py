"""What is quoted of slow and throttled invocations, over made-up runs."""

import pytest

from benchmarks.result import Figure
from benchmarks.stragglers import Row, tabulate


def quote(slow_s: float, calls: int, throttled_s: float, failed: int) -> dict[str, Figure]:
    rows = {
        ("117, none slow, backups", 117): [Row(2.0, 117, 0)],
        ("1 of 117 slow, --no-backups", 117): [Row(40.0, 117, 0)],
        ("1 of 117 slow, --backups", 117): [Row(slow_s, calls, 0)],
        ("117, 20 % throttled", 117): [Row(throttled_s, 150, failed)],
    }
    return {figure.name: figure for figure in tabulate(rows, delay_s=2.0)[1]}


def test_time_is_in_tasks_extra_calls_a_share_and_throttling_over_an_undisturbed_run() -> None:
    found = quote(slow_s=6.0, calls=120, throttled_s=2.5, failed=0)
    assert set(found) == {"slow-117", "extra-117", "throttled-117", "failed-117"}  # and none of a size left out
    assert (found["slow-117"].ours, found["slow-117"].theirs) == (3.0, 20.0)
    assert found["extra-117"].ours == pytest.approx(100 * 3 / 117)
    assert (found["throttled-117"].ours, found["failed-117"].ours) == (1.25, 0)
    assert all(figure.is_met for figure in found.values())


def test_each_is_held_to_what_is_asked() -> None:
    found = quote(slow_s=7.1, calls=129, throttled_s=2.7, failed=1)
    assert not any(figure.is_met for figure in found.values())
