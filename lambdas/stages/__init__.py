"""The stages, one file each; the file is the registration.

Only the stage asked for is imported, so that a function pays for the packages of its own stage and no other.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from mycelium.errors import UnknownStageError
from mycelium.nearest import suggest

if TYPE_CHECKING:  # it brings pyarrow, which a list of names does not wait for
    from mycelium.stage import Stage


def stage_names() -> list[str]:
    """Return the names of all stages, sorted; none of them is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find_stage(name: str) -> "Stage[Any]":
    """Import one stage by name.

    Raises:
        UnknownStageError: there is none of that name; the message has the nearest.
    """
    names = stage_names()
    if name not in names:
        raise UnknownStageError(f"no stage is called {name!r}: {suggest(name, names)}")
    from mycelium.stage import Stage  # noqa: PLC0415 - as above

    stage = importlib.import_module(f"{__name__}.{name}").STAGE
    if not isinstance(stage, Stage):
        raise TypeError(f"lambdas/stages/{name}.py must hold a Stage named STAGE; got {type(stage).__name__}")
    return stage
