"""Hints name commands by the program that was started."""

import threading

import pytest

from mycelium.hint import say_command, started_as


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("mycelium", "coordinator retry r-1 --store s", "mycelium retry r-1 --store s"),
        ("mycelium", "gpu_workers upload", "mycelium gpu upload"),
        ("python -m coordinator", "coordinator retry r-1", "python -m coordinator retry r-1"),
        ("python -m coordinator", "gpu_workers upload", "python -m gpu_workers upload"),
        ("mycelium", "coordinator", "mycelium"),
    ],
)
def test_a_command_is_named_as_it_is_typed_there(program: str, words: str, said: str) -> None:
    with started_as(program):
        assert say_command(words) == said


def test_a_library_names_modules_and_so_does_what_comes_after_a_command() -> None:
    with started_as("mycelium"), started_as("python -m coordinator"):
        assert say_command("coordinator runs") == "python -m coordinator runs"
    assert say_command("coordinator runs") == "python -m coordinator runs"


def test_threads_know_the_name_as_well() -> None:
    said: list[str] = []
    with started_as("mycelium"):
        thread = threading.Thread(target=lambda: said.append(say_command("coordinator runs")))
        thread.start()
        thread.join()
    assert said == ["mycelium runs"]
