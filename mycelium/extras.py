"""What each extra of this package installs, as the package's own metadata say."""

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BOUND = re.compile(r"(>=|==|<)\s*([0-9]+(?:\.[0-9]+)*)")
_EXTRA = re.compile(r"extra == ['\"]([^'\"]+)['\"]")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One package that is asked for.

    Attributes:
        package: its name in a package index, in lower case, with dashes.
        extra: the extra that asks for it; None where every installation does.
        bounds: its versions, as pairs of ``>=``, ``==`` or ``<`` and a version.
    """

    package: str
    extra: str | None
    bounds: tuple[tuple[str, str], ...] = ()

    def allows(self, version: str) -> bool:
        """Whether a version is within the bounds; what follows its numbers, ``rc1`` or ``+cpu``, does not count."""
        have = _numbers(version)
        for sign, bound in self.bounds:
            want = _numbers(bound)
            width = max(len(have), len(want))
            left, right = (part + (0,) * (width - len(part)) for part in (have, want))
            if not {">=": left >= right, "==": left == right, "<": left < right}[sign]:
                return False
        return True

    @property
    def modules(self) -> set[str]:
        """What it may be imported as: ``vl-convert-python`` is imported as ``vl_convert``."""
        names = {self.package, self.package.removesuffix("-python"), self.package.removesuffix("-lib")}
        return {name.replace("-", "_") for name in names}


def normalise_package(name: str) -> str:
    """Return a package's name as an index has it: in lower case, with single dashes (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(lines: Iterable[str] | None = None) -> list[Requirement]:
    """Return what is asked for, in order.

    Args:
        lines: requirements as a package's metadata have them; those of this package, as installed, if not given.
    """
    stated = (importlib.metadata.requires("mycelium") or []) if lines is None else lines
    found = []
    for line in stated:
        before, _, condition = line.partition(";")
        name, extra = _NAME.match(before), _EXTRA.search(condition)
        if name is not None:
            bounds = tuple((sign, version) for sign, version in _BOUND.findall(before[name.end() :]))
            found.append(Requirement(normalise_package(name[0]), extra[1] if extra else None, bounds))
    return found


def find_extras(module: str, requirements: Iterable[Requirement]) -> list[str]:
    """Return which extras install a module, ``torch.nn``, say; the first that asks for it first."""
    top = module.partition(".")[0].lower()
    return [found.extra for found in requirements if found.extra and top in found.modules]


def _numbers(version: str) -> tuple[int, ...]:
    plain = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(digits) for digits in plain[0].split(".")) if plain else ()
