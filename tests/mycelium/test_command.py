"""What the command lines share."""

import click
import pytest

from mycelium.command import Choice, CommandGroup, call_command
from mycelium.errors import ChunkDamagedError, UserInputError


def make_group(error: BaseException | None = None, answer: int | None = None) -> click.Group:
    @click.group(cls=CommandGroup, name="command")
    def group() -> None:
        """Do things."""

    @group.command()
    @click.option("--n", type=int)
    @click.option("--how", type=Choice(["slow", "fast"]))
    def count(n: int | None, how: str | None) -> int | None:
        """Count."""
        if error is not None:
            raise error
        return answer

    return group


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserInputError("what must hold;\n   what was got"), 2, "error: what must hold; what was got\n"),
        (ChunkDamagedError("torn"), 2, "error: torn\n"),
        (UserInputError("no run '\x1b]0;pwned\x07\x9b2J\u202e'"), 2, "error: no run '�]0;pwned��2J�'\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command carries on from here\n"),
    ],
)
def test_errors_are_one_line_and_a_code(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_command(make_group(error), "program", ["count"]) == code
    assert capsys.readouterr().err.lstrip() == words  # click ends the line that Ctrl-C was typed on


def test_a_package_that_is_not_installed_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = ModuleNotFoundError("No module named 'torch'", name="torch")
    assert call_command(make_group(error), "program", ["count"]) == 2
    assert capsys.readouterr().err == "error: this needs the package torch: pip install 'mycelium[gpu]'\n"
    with pytest.raises(ModuleNotFoundError):  # a module of nobody's is a bug
        call_command(make_group(ModuleNotFoundError("x", name="mycelium.nowhere")), "program", ["count"])


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        call_command(make_group(ZeroDivisionError()), "program", ["count"])


@pytest.mark.parametrize(("answer", "code"), [(None, 0), (0, 0), (1, 1)])
def test_a_command_s_answer_is_the_exit_code(answer: int | None, code: int) -> None:
    assert call_command(make_group(answer=answer), "program", ["count"]) == code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cuont"], "did you mean count?"),
        (["zzzzzz"], "there are count"),
        (["count", "--n", "x"], "is not a valid integer. (see program count --help)"),
        (["count", "--m", "1"], "No such option"),
        (["count", "--how", "slowly"], "'slowly' is none of slow, fast: did you mean slow? (see program count --help)"),
    ],
)
def test_a_mistyped_line_says_what_to_type(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_command(make_group(), "program", words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
