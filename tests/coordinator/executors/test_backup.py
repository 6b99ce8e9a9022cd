"""The rule of backups: who is late, when that is known, how many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.backup import BACKUPS, BackupRule, Standing, choose_backups, late_after_s, next_look_s

seconds = st.floats(0.0, 1000.0)
rules = st.builds(
    BackupRule,
    slow_factor=st.floats(1.0, 5.0),
    min_late_s=st.floats(0.0, 5.0),
    done_share=st.floats(0.5, 1.0),
    max_share=st.floats(0.0, 1.0),
)


@st.composite
def standings(draw: st.DrawFn) -> tuple[Standing[int], float]:
    """Return how a run stands, and a time at which all that runs has begun."""
    done = draw(st.lists(seconds, max_size=60))
    running = draw(st.lists(seconds, max_size=30))
    waiting, n_backups = draw(st.integers(0, 5)), draw(st.integers(0, 12))
    n_open = len(running) + min(waiting, 3) + n_backups
    standing = Standing(dict(enumerate(running)), done, len(done) + n_open, n_open, n_backups)
    return standing, draw(st.floats(1000.0, 5000.0))


def stand(running: list[float], done: list[float], n_backups: int = 0) -> Standing[int]:
    return Standing(dict(enumerate(running)), done, len(running) + len(done), len(running), n_backups)


def test_a_call_is_late_after_twice_the_median_and_not_before() -> None:
    standing = stand([0.0, 5.0], [10.0] * 18)
    assert late_after_s(BACKUPS, standing) == 20.0
    assert choose_backups(BACKUPS, standing, 19.9) == []
    assert choose_backups(BACKUPS, standing, 20.0) == [0]
    assert choose_backups(BACKUPS, standing, 25.0) == [0, 1]


def test_calls_of_milliseconds_are_not_late_for_some_milliseconds_more() -> None:
    standing = stand([0.0], [0.010] * 19)
    assert late_after_s(BACKUPS, standing) == pytest.approx(0.51)


def test_the_median_is_that_of_all_and_not_of_the_quick_ones_alone() -> None:
    """Of 20, those 15 that are done are the 15 quickest; the tenth of all is the median, and not the eighth."""
    standing = stand([0.0] * 5, [float(n) for n in range(1, 16)])
    assert late_after_s(BACKUPS, standing) == 2 * 10.0


def test_a_run_of_fewer_than_ten_has_no_backups() -> None:
    assert choose_backups(BACKUPS, stand([0.0], [1.0] * 8), 1e9) == []
    assert choose_backups(BACKUPS, stand([0.0], [1.0] * 9), 1e9) == [0]


def test_a_rule_that_would_not_know_the_median_is_refused() -> None:
    with pytest.raises(ValueError, match="done_share is 0.5 to 1, got 0.4"):
        BackupRule(done_share=0.4)


@given(rules, standings())
def test_there_are_never_more_than_the_share_of_all_items(rule: BackupRule, drawn: tuple[Standing[int], float]) -> None:
    standing, now = drawn
    chosen = choose_backups(rule, standing, now)
    assert not chosen or len(chosen) + standing.n_backups <= rule.max_share * standing.n_items


@given(rules, standings())
def test_nobody_is_late_before_enough_are_done(rule: BackupRule, drawn: tuple[Standing[int], float]) -> None:
    standing, now = drawn
    n = len(standing.done_s) + standing.n_open
    if len(standing.done_s) < rule.done_share * n or not standing.done_s:
        assert choose_backups(rule, standing, now) == []
        assert next_look_s(rule, standing) is None


@given(rules, standings())
def test_who_runs_longer_than_a_chosen_one_is_chosen_too(rule: BackupRule, drawn: tuple[Standing[int], float]) -> None:
    standing, now = drawn
    chosen = choose_backups(rule, standing, now)
    assert len(set(chosen)) == len(chosen)
    left = [start for key, start in standing.running_s.items() if key not in chosen]
    assert all(standing.running_s[key] <= start for key in chosen for start in left)


@given(rules, standings(), st.floats(0.0, 1000.0))
def test_who_is_chosen_now_would_be_chosen_later(
    rule: BackupRule, drawn: tuple[Standing[int], float], more: float
) -> None:
    standing, now = drawn
    chosen = choose_backups(rule, standing, now)
    assert choose_backups(rule, standing, now + more)[: len(chosen)] == chosen


@given(rules, standings())
def test_the_next_look_is_when_the_first_is_late(rule: BackupRule, drawn: tuple[Standing[int], float]) -> None:
    standing, now = drawn
    look = next_look_s(rule, standing)
    if look is None:
        assert choose_backups(rule, standing, now) == []
    else:
        assert choose_backups(rule, standing, look)
        assert now >= look or choose_backups(rule, standing, now) == []


@given(standings(), st.floats(0.0, 100.0))
def test_a_slower_median_makes_nobody_late_earlier(drawn: tuple[Standing[int], float], more: float) -> None:
    standing, _ = drawn
    slower = Standing(
        standing.running_s,
        [each + more for each in standing.done_s],
        standing.n_items,
        standing.n_open,
        standing.n_backups,
    )
    before, after = late_after_s(BACKUPS, standing), late_after_s(BACKUPS, slower)
    assert (before is None) == (after is None)
    assert before is None or after is None or before <= after
