"""The judgement itself; its outcomes are tested through the judge, in a child."""

import pytest

from mycelium.labels import verdict
from mycelium.labels.verdict import REFUSED, UNDECIDED, VERIFIED, judge_expression


def test_memory_and_depth_are_refusals_and_not_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, reason in ((MemoryError(), "memory"), (RecursionError(), "depth")):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(verdict, "to_sympy", fail)
        assert judge_expression("1 = 1", plain=False) == (REFUSED, reason)


def test_what_sympy_raises_is_undecided_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(verdict, "to_sympy", fail)
    assert judge_expression("1 = 1", plain=False) == (UNDECIDED, "sympy: ArithmeticError")


def test_only_equations_are_judged_among_statements() -> None:
    assert judge_expression(r"1 = 1 \text{ and } 2 < 3", plain=False) == (VERIFIED, "")
    assert judge_expression(r"1 = 1 \text{ and } x = 3", plain=False) == (UNDECIDED, "")
