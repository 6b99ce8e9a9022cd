"""Verdicts, and what happens to a child that hangs, dies or eats memory."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from io import StringIO

import pytest

from mycelium.errors import JudgeError
from mycelium.labels.judge import Judge, Limits, Verdict, count
from mycelium.labels.verdict import judge_expression, serve


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(2) as pool:
        yield pool


@pytest.mark.parametrize(
    ("text", "plain", "outcome", "reason"),
    [
        ("48/2=24", True, "verified", ""),
        ("0.2*50=10", True, "verified", ""),
        ("2+2=5", True, "refuted", ""),
        ("50 / 24 = 2.083", True, "refuted", ""),  # rounding is not equality
        ("1 = 1 = 2", True, "refuted", ""),
        (r"x^2 - 1 = (x-1)(x+1)", False, "verified", ""),
        (r"\sin^2 x + \cos^2 x = 1", False, "verified", ""),
        (r"\sqrt{2}\cdot\sqrt 3 = \sqrt 6", False, "verified", ""),
        (r"\sin 30^\circ = \frac12", False, "verified", ""),
        (r"2 = 2 \text{ and } 3 = 4", False, "refuted", ""),
        ("2x = 6", False, "undecided", ""),  # an equation to be solved is no claim
        ("x < 5", False, "refused", "no_equation"),
        ("(1 + = 2", False, "refused", "missing_operand"),
        ("9^{9^{9^9}} = 1", False, "refused", "exponent"),
        ("1000000000! = 1", False, "refused", "factorial"),
        ("(1,2) = (1,2)", False, "refused", "operator: tuple"),
        ("1/0 = 1/0", True, "undecided", ""),
        ("\ud800 = 1", False, "refused", "unknown_character"),
    ],
)
def test_each_outcome(judge: Judge, text: str, plain: bool, outcome: str, reason: str) -> None:
    assert judge.judge([(text, plain)]) == [Verdict(outcome, reason)]
    assert judge_expression(text, plain=plain) == (outcome, reason)


def test_every_annotation_of_gsm8k_is_verified_and_none_refuted(judge: Judge, annotations: list[str]) -> None:
    verdicts = judge.judge([(annotation, True) for annotation in annotations])
    assert count(verdicts) == {"verified": 23_716}


def test_verdicts_come_in_order_over_many_batches(judge: Judge) -> None:
    expressions = [(f"{i} + 1 = {i + 1 + (i % 3 == 0)}", True) for i in range(300)]
    outcomes = [verdict.outcome for verdict in judge.judge(expressions)]
    assert outcomes == ["refuted" if i % 3 == 0 else "verified" for i in range(300)]


SLOW = r"(" + "+".join("abcdfghjklmnop") + r")^{60} = 1"


def test_what_takes_too_long_is_undecided_and_the_rest_goes_on() -> None:
    with Judge(1, Limits(deadline_s=3)) as pool:  # and a busy machine adds 1 and 1 within it
        start = time.monotonic()
        verdicts = pool.judge([("1+1=2", True), (SLOW, False), ("2+2=4", True)])
        assert time.monotonic() - start < 200
    assert verdicts[0] == verdicts[2] == Verdict("verified")
    assert verdicts[1] in (Verdict("undecided", "deadline"), Verdict("refused", "memory"))


def test_what_eats_memory_is_stopped_by_the_limit() -> None:
    with Judge(1, Limits(deadline_s=60, memory_bytes=200 << 20)) as pool:
        verdicts = pool.judge([(SLOW, False), ("1+1=2", True)])
    assert verdicts[0] in (Verdict("refused", "memory"), Verdict("undecided", "crash"))
    assert verdicts[1] == Verdict("verified")


def test_a_child_that_dies_costs_one_verdict_at_most() -> None:
    with Judge(1) as pool:
        pool.judge([("1+1=2", True)])
        child = pool._children[0]
        assert child is not None
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
        assert pool.judge([("1+1=2", True)]) == [Verdict("verified")]


def test_no_child_is_left_behind() -> None:
    with Judge(1) as pool:
        pool.judge([("1+1=2", True)])
        child = pool._children[0]
        assert child is not None
    assert child.process.poll() is not None


def test_a_child_that_can_not_start_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Judge(1) as pool, pytest.raises(JudgeError, match="must start"):
        pool.judge([("1+1=2", True)])


def test_the_child_answers_line_by_line() -> None:
    answers = StringIO()
    serve(StringIO('["1+1=2", true]\n["1+1=3", true]\n'), answers)
    assert answers.getvalue().splitlines() == ['["ready", ""]', '["verified", ""]', '["refuted", ""]']


def test_nothing_to_judge_starts_nothing() -> None:
    with Judge(2) as pool:
        assert pool.judge([]) == []
        assert pool._children == [None, None]


CHATTY = """
import sys
print('["ready", ""]', flush=True)
for line in sys.stdin:
    print("a word of some package" if "0+0" in line else '["verified", ""]', flush=True)
"""


def test_a_child_that_says_something_else_costs_that_verdict_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.labels.judge._PROGRAM", CHATTY)
    with Judge(1) as pool:
        verdicts = pool.judge([("1+1=2", True), ("0+0=0", True), ("2+2=4", True)])
    assert verdicts == [Verdict("verified"), Verdict("undecided", "crash"), Verdict("verified")]


def test_a_bug_of_ours_is_raised_and_leaves_no_verdict_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Verdict:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Judge, "_one", fail)
    with Judge(2) as pool, pytest.raises(RuntimeError, match="a bug"):
        pool.judge([("1+1=2", True)] * 200)
