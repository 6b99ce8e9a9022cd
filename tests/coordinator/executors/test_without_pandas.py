"""Arrow without pandas: not imported by the way, and there for who asks."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
import pyarrow as pa
from coordinator.executors.without_pandas import leave_pandas_out

leave_pandas_out()
table = pa.table({"a": np.arange(3), "b": pa.array([0.5, 1.0, None])})
table["b"].to_numpy()
assert "pandas" not in sys.modules
assert len(table.to_pandas()) == 3
assert "pandas" in sys.modules
leave_pandas_out()
assert not [one for one in sys.meta_path if type(one).__name__ == "_NoPandas"]
"""


def test_arrow_imports_pandas_where_it_is_asked_for_and_nowhere_else() -> None:
    pytest.importorskip("pandas")
    subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], check=True, timeout=300)
