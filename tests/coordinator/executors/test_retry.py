"""The retry table: every kind has its rule, and the waits keep to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.retry import RETRY_TABLE, Failure, Kind, Rule, wait_before_retry_s


def test_every_kind_of_failure_has_a_rule_and_a_reason() -> None:
    assert set(RETRY_TABLE) == set(Kind)
    assert all(rule.why and rule.tries >= 1 for rule in RETRY_TABLE.values())


@pytest.mark.parametrize("kind", [Kind.MEMORY, Kind.STAGE, Kind.TOO_LARGE, Kind.HANDLER, Kind.REFUSED])
def test_what_can_t_heal_is_never_tried_again(kind: Kind) -> None:
    assert wait_before_retry_s(RETRY_TABLE[kind], 1, lambda: 0.5) is None


@given(failures=st.integers(1, 10_000), draw=st.floats(0, 1, exclude_max=True), kind=st.sampled_from(Kind))
def test_a_wait_lies_below_its_bound_and_ends_with_the_tries(failures: int, draw: float, kind: Kind) -> None:
    rule = RETRY_TABLE[kind]
    wait = wait_before_retry_s(rule, failures, lambda: draw)
    assert (wait is None) == (failures >= rule.tries)
    assert wait is None or 0 <= wait <= min(rule.cap_s, rule.base_s * 2.0 ** min(failures, 60))


def test_the_bound_doubles_up_to_its_cap() -> None:
    rule = Rule(9, 1.0, 5.0, "")
    assert [wait_before_retry_s(rule, n, lambda: 1.0) for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]


def test_a_failure_is_called_by_its_own_name_if_it_has_one() -> None:
    assert Failure(Kind.STAGE, "", "BadSignalError").error_kind == "BadSignalError"
    assert Failure(Kind.CRASH, "").error_kind == "FunctionCrashed"
