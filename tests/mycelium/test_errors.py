"""The tree of errors is as drawn, and each error is the builtin that a caller expects."""

import inspect
import pickle
import re

import pytest

from mycelium import errors

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.MyceliumError)]


def test_every_error_stands_in_the_tree() -> None:
    drawn = set(re.findall(r"[A-Z]\w+Error(?=\b)", errors.__doc__ or ""))
    builtin = {
        "ValueError",
        "OSError",
        "ImportError",
        "FileNotFoundError",
        "FileExistsError",
        "LookupError",
        "RuntimeError",
    }
    assert {cls.__name__ for cls in CLASSES} <= drawn
    assert drawn - builtin <= {cls.__name__ for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_crosses_processes_with_its_words(cls: type[Exception]) -> None:
    back = pickle.loads(pickle.dumps(cls("what must hold, and what was got")))  # noqa: S301 - our own bytes
    assert type(back) is cls
    assert str(back) == "what must hold, and what was got"


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("UserInputError", ValueError),
        ("UnknownRunError", LookupError),
        ("ObjectNotFoundError", FileNotFoundError),
        ("ObjectExistsError", FileExistsError),
        ("StoreNotAvailableError", OSError),
        ("ChunkDamagedError", ValueError),
        ("ModelError", ValueError),
    ],
)
def test_an_error_is_the_builtin_that_a_caller_expects(name: str, builtin: type[Exception]) -> None:
    assert issubclass(getattr(errors, name), builtin)
