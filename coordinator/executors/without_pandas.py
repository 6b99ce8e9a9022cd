"""Arrow without pandas: what keeps a process of ours from importing what it does not use."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa


class _NoPandas:
    """An importer that says there is no pandas."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse pandas, and leave all else to others."""
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError("Arrow is not to look for it here", name=name)
        return None


def leave_pandas_out() -> None:
    """Keep Arrow from importing pandas by itself, in a process whose stages don't use it.

    Handed its first array, Arrow looks whether that may be one of pandas, and imports it for the purpose where it is
    installed: 0.13 s of a processor in every process, five times what a chunk takes. It looks once; here it looks and
    finds nothing. `to_pandas` still works, since it imports pandas for itself.
    """
    if "pandas" in sys.modules:
        return
    refusal = _NoPandas()
    sys.meta_path.insert(0, refusal)
    try:
        pa.array([0]).to_numpy(zero_copy_only=False)
    finally:
        sys.meta_path.remove(refusal)
