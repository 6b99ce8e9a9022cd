"""`merge` as a person types it."""

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.store import LocalStore
from tests.coordinator.merge.conftest import RUN, Written


def test_the_command_exits_with_1_where_something_is_missing(
    written: Written, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("store"))
    for info in written.store.list(""):
        store.put(info.key, written.store.get(info.key))
    words = ["merge", RUN, "--store", store.uri, "--quiet"]
    assert call_command(coordinator, "coordinator", words) == 0
    out, _ = capsys.readouterr()
    assert f"{RUN}: 12 problems in 4 chunks, whole and of one kind" in out
    assert "1 chunks had no record" in out
    store.delete(f"iaf/{RUN}/00000.parquet")
    assert call_command(coordinator, "coordinator", words) == 1
    out, err = capsys.readouterr()
    assert "iaf lacks problems 0 to 2 (1 chunks)" in err
    assert f"{RUN} is not whole; no manifest was written" in err
    assert call_command(coordinator, "coordinator", ["merge", "none", "--store", store.uri]) == 2
    assert capsys.readouterr().err.startswith("error: no run 'none'")
