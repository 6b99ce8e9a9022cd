"""The stages, one file each; the file is the registration.

Only the stage asked for is imported, so that a function pays for the packages of its own stage and no other.
"""

import difflib
import importlib
import pkgutil
from typing import Any

from mycelium.errors import UnknownStageError
from mycelium.stage import Stage


def stage_names() -> list[str]:
    """Return the names of all stages, sorted; none of them is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find_stage(name: str) -> Stage[Any]:
    """Import one stage by name.

    Raises:
        UnknownStageError: there is none of that name; the message has the nearest.
    """
    names = stage_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"the stages are {', '.join(names)}"
        raise UnknownStageError(f"no stage is called {name!r}: {hint}")
    stage = importlib.import_module(f"{__name__}.{name}").STAGE
    if not isinstance(stage, Stage):
        raise TypeError(f"lambdas/stages/{name}.py must hold a Stage named STAGE; got {type(stage).__name__}")
    return stage
