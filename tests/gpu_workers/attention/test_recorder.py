"""What a recorder refuses."""

import pytest

from gpu_workers.attention.recorder import Recorder
from mycelium.errors import UserInputError
from tests.gpu_workers.attention.layouts import lay_out


def test_a_signal_that_there_is_not_is_one_line() -> None:
    layout = lay_out([[(2, 3)]])
    with pytest.raises(UserInputError, match="there is no signal mood; there are iaf, iaf_without_sink, entropy"):
        Recorder(layout.is_input, layout.is_real, signals=("iaf", "mood"))


def test_an_empty_window_is_one_line() -> None:
    layout = lay_out([[(2, 3)]])
    with pytest.raises(UserInputError, match="the window of jsd is 1 token or more; got 0"):
        Recorder(layout.is_input, layout.is_real, window=0)


def test_the_rows_are_known_before_the_model_runs() -> None:
    layout = lay_out([[(2, 3)], [(1, 1)]])
    recorder = Recorder(layout.is_input, layout.is_real)
    assert recorder.rows.counts == (3, 1)
    assert recorder.layers == []
