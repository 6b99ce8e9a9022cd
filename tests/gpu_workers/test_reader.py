"""Driving a device: every problem gets its answer, whatever becomes of the others."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.reader import UNDER_WAY, Job, Meter, Reader, Readout
from tests.gpu_workers.fakes import FakeDevice, make_encoded

lengths = st.lists(st.integers(2, 60), max_size=30)


def check_answers(answers: Sequence[object], lengths: Sequence[int], marks: Sequence[int]) -> None:
    for answer, length, mark in zip(answers, lengths, marks, strict=True):
        assert isinstance(answer, Readout), answer
        assert answer.signals["iaf"].shape == (1, 1, length - 1)
        assert set(answer.signals["iaf"].ravel().tolist()) == {mark}


@given(lengths=lengths, batch_tokens=st.integers(1, 300))
def test_every_problem_gets_its_own_answer(lengths: list[int], batch_tokens: int) -> None:
    reader = Reader(FakeDevice(), batch_tokens)
    marks = range(len(lengths))
    check_answers(
        reader.read_all([make_encoded(n, mark) for n, mark in zip(lengths, marks, strict=True)]), lengths, marks
    )
    assert reader.meter.tokens == sum(lengths)
    assert reader.meter.padded_tokens >= reader.meter.tokens


@given(lengths=lengths, room=st.integers(60, 400))
def test_when_memory_runs_out_all_are_read_in_smaller_batches(lengths: list[int], room: int) -> None:
    device = FakeDevice(room=room)
    reader = Reader(device, batch_tokens=1000)
    check_answers(reader.read_all([make_encoded(n) for n in lengths]), lengths, [0] * len(lengths))
    assert all(len(batch) * max(batch) <= room for batch in device.batches)
    assert device.freed == reader.meter.halved
    assert device.held == 0


@given(lengths=st.lists(st.integers(2, 60), min_size=1, max_size=30), room=st.integers(2, 59))
def test_what_is_too_much_alone_is_refused_and_the_rest_is_read(lengths: list[int], room: int) -> None:
    answers = Reader(FakeDevice(room=room), batch_tokens=1000).read_all([make_encoded(n) for n in lengths])
    for answer, length in zip(answers, lengths, strict=True):
        if length > room:
            assert answer == f"its {length} tokens do not fit into the device's memory, even alone"
        else:
            assert isinstance(answer, Readout)


def test_after_memory_ran_out_every_batch_is_half_as_large() -> None:
    device = FakeDevice(room=100)
    reader = Reader(device, batch_tokens=160)
    reader.read_all([make_encoded(10) for _ in range(48)])
    assert reader.meter.halved == 2  # once for what was too large, once for what did not fit beside another
    assert reader.batch_tokens == 40
    assert device.batches == [[10] * 8, *[[10] * 4] * 10]


@pytest.mark.parametrize("bad", [4, 5])
def test_an_error_of_the_device_is_that_batch_s_answer_and_the_others_are_read(bad: int) -> None:
    reader = Reader(FakeDevice(bad=frozenset({bad})), batch_tokens=20)
    answers = reader.read_all([make_encoded(10, mark) for mark in range(8)])
    assert [isinstance(answer, RuntimeError) for answer in answers] == [mark in {4, 5} for mark in range(8)]


def test_a_batch_is_begun_before_the_one_before_is_fetched() -> None:
    device = FakeDevice()
    under_way = []
    reader = Reader(device, batch_tokens=10)
    jobs = [Job(make_encoded(10), lambda _: under_way.append(device.held // 10)) for _ in range(5)]
    feed: list[Sequence[Job] | None] = [None, jobs]
    for _ in reader.read(lambda _: feed.pop()):
        pass
    # What is fetched has left the device; all but the last were fetched while another was at work.
    assert under_way == [UNDER_WAY - 1] * 4 + [0]


def test_it_waits_for_more_only_when_the_device_has_nothing_left() -> None:
    asked = []
    answers: list[object] = []
    feed: list[Sequence[Job] | None] = [None, [], [Job(make_encoded(5), answers.append)], []]

    def give(wait: bool) -> Sequence[Job] | None:
        asked.append((wait, len(answers)))
        return feed.pop()

    for _ in Reader(FakeDevice(), 100).read(give):
        pass
    assert asked == [(True, 0), (True, 0), (False, 0), (True, 1)]
    assert len(answers) == 1


def test_the_meter_adds_up() -> None:
    reader = Reader(FakeDevice(), batch_tokens=20)
    assert reader.meter.describe() == ""
    reader.read_all([make_encoded(10), make_encoded(10), make_encoded(4)])
    assert (reader.meter.busy_s, reader.meter.waited_s, reader.meter.share_waited) == (6.0, 2.0, 0.25)
    assert reader.meter.describe() == "device waited 25.0%"
    assert reader.meter.notes() == {
        "device_busy_s": 6.0,
        "device_waited_s": 2.0,
        "device_waited_share": 0.25,
        "batches": 2,
        "batches_halved": 0,
        "tokens": 24,
        "padded_tokens": 24,
    }
    assert Meter().share_waited == 0.0
