"""Which queries are read: against a loop over every token, and every layout that is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.attention.rows import find_rows
from mycelium.errors import UserInputError
from tests.gpu_workers.attention.layouts import Layout, lay_out

PROBLEM = st.tuples(st.integers(1, 4), st.integers(0, 6))


@given(st.lists(st.tuples(st.lists(PROBLEM, min_size=1, max_size=3), st.integers(0, 3)), min_size=1, max_size=4))
def test_each_generated_token_has_the_query_before_it(rows: list[tuple[list[tuple[int, int]], int]]) -> None:
    layout = lay_out([problems for problems, _ in rows], [pad for _, pad in rows])
    found = find_rows(layout.is_input, layout.is_real, layout.sequence)
    firsts = []
    for b, (problems, pad) in enumerate(rows):
        expected, start = [], pad
        for n_input, n_generated in problems:
            first = start + n_input
            expected += [(first + k - 1, start, first) for k in range(n_generated)]
            start = first + n_generated
        assert found.counts[b] == len(expected)
        firsts += [first for _, first, _ in expected]
        absent = [(-1, 0, 0)] * (found.position.shape[1] - len(expected))
        ours = zip(found.position[b].tolist(), found.first[b].tolist(), found.split[b].tolist(), strict=True)
        assert list(ours) == expected + absent
    assert found.at_start == (not any(firsts))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9)), min_size=1, max_size=3), st.integers(1, 4))
def test_a_window_is_whole_where_its_rows_are_of_one_problem(problems: list[tuple[int, int]], window: int) -> None:
    layout = lay_out([problems, [(1, 3)]], [0, 2])
    rows = find_rows(layout.is_input, layout.is_real, layout.sequence)
    whole = rows.has_windows(window)
    expected = [window <= k <= n - window for _, n in problems for k in range(n)]
    assert whole[0].tolist()[: len(expected)] == expected
    assert not whole[0, len(expected) :].any()


def refuse(layout: Layout, words: str) -> None:
    with pytest.raises(UserInputError, match=words):
        find_rows(layout.is_input, layout.is_real, layout.sequence)


def test_a_layout_that_is_none_is_one_line() -> None:
    good = lay_out([[(2, 3)]], [1])
    refuse(Layout(good.is_input[:, :-1], good.is_real, None), r"must be of one shape \(b, s\); got")
    refuse(Layout(good.is_input[0], good.is_real[0], None), r"must be of one shape \(b, s\); got")
    refuse(Layout(torch.ones_like(good.is_real), good.is_real, None), "padding can't be input")
    refuse(Layout(torch.zeros_like(good.is_input), good.is_real, None), "a problem must begin with its prompt")
    hole = good.is_real.clone()
    hole[0, 4] = False
    refuse(Layout(good.is_input, hole, None), "padding must be at either end of a problem")
    twice = good.is_input.clone()
    twice[0, 4] = True
    refuse(Layout(twice, good.is_real, None), "a problem must begin with its prompt, .* and have one prompt")


def test_an_empty_batch_has_no_rows() -> None:
    nothing = torch.zeros((0, 5), dtype=torch.bool)
    assert find_rows(nothing, nothing).position.shape == (0, 0)
