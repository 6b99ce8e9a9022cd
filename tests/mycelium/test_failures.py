"""When a run gives up: by number, by share, or when the first chunks all fail alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import UserInputError
from mycelium.failures import BREAKER, FailureCount, FailurePolicy, parse_policy
from mycelium.manifest import Outcome

DONE = Outcome("00000", "done")


def failed(kind: str = "KeyError") -> Outcome:
    return Outcome("00000", "failed", error="no", error_kind=kind)


def first_reason(policy: FailurePolicy, outcomes: list[Outcome], n_chunks: int = 1000) -> tuple[int, str] | None:
    """Return after how many outcomes a run ends, and why."""
    count = FailureCount(policy, n_chunks)
    for place, outcome in enumerate(outcomes, 1):
        reason = count.add(outcome)
        if reason is not None:
            return place, reason
    return None


def test_the_first_chunks_all_failing_alike_end_the_run() -> None:
    policy = FailurePolicy(breaker=3)
    assert first_reason(policy, [failed()] * 5) == (3, "the first 3 chunks all failed by KeyError")


@pytest.mark.parametrize(
    "outcomes",
    [
        [failed(), failed(), DONE, failed(), failed(), failed()],
        [DONE, *[failed()] * 50],
        [failed(), failed("ValueError"), *[failed()] * 50],
    ],
)
def test_one_good_chunk_or_another_error_among_the_first_keeps_it_going(outcomes: list[Outcome]) -> None:
    assert first_reason(FailurePolicy(breaker=3), outcomes) is None


def test_a_number_is_borne_and_one_more_is_not() -> None:
    assert first_reason(FailurePolicy(max_failed=2), [failed(), DONE, failed(), DONE, failed()]) == (
        5,
        "3 chunks failed, and --max-failures bears 2",
    )
    assert first_reason(FailurePolicy(max_failed=0), [DONE, failed()]) == (
        2,
        "1 chunks failed, and --max-failures bears 0",
    )


def test_a_share_is_of_the_whole_run() -> None:
    assert first_reason(FailurePolicy(max_share=0.05), [failed("A")] * 6, n_chunks=100) == (
        6,
        "6 of 100 chunks failed, and --max-failures bears 5%",
    )


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 20))
def test_a_run_ends_at_the_first_failure_beyond_the_bound_and_never_before(fates: list[bool], bound: int) -> None:
    ended = first_reason(FailurePolicy(max_failed=bound), [DONE if well else failed() for well in fates])
    places = [place for place, well in enumerate(fates, 1) if not well]
    assert (None if ended is None else ended[0]) == (places[bound] if len(places) > bound else None)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (None, FailurePolicy(breaker=BREAKER)),
        ("0", FailurePolicy(0, None, BREAKER)),
        ("12", FailurePolicy(12, None, BREAKER)),
        ("5%", FailurePolicy(None, 0.05, BREAKER)),
        (" 100% ", FailurePolicy(None, 1.0, BREAKER)),
    ],
)
def test_a_policy_is_read(text: str | None, policy: FailurePolicy) -> None:
    assert parse_policy(text) == policy


@pytest.mark.parametrize("text", ["", "-1", "few", "5.5", "101%", "-1%", "nan%", "inf", "%"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(UserInputError, match="--max-failures is a number of chunks"):
        parse_policy(text)
