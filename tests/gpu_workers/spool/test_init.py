"""Stores behind a spool, as the extractor opens them."""

import threading
from dataclasses import replace
from pathlib import Path

from gpu_workers.spool import Spool, open_spooled
from gpu_workers.spool.spool import OWN_BYTES
from mycelium.errors import StoreNotAvailableError


def test_a_thread_does_not_wait_for_room_after_the_run_has_ended(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    over, errors = threading.Event(), []
    store = open_spooled(str(tmp_path / "spool"), over.is_set)(str(tmp_path / "store"))
    spool = Spool(tmp_path / "spool")
    spool.write_state(replace(spool.read_state(), budget=OWN_BYTES + 1000, cap=OWN_BYTES + 1000))
    store.put("iaf/run/00000.parquet", b"x" * 900)

    def put() -> None:
        try:
            store.put("iaf/run/00001.parquet", b"y" * 900)
        except StoreNotAvailableError as error:
            errors.append(str(error))

    thread = threading.Thread(target=put)
    thread.start()
    over.set()
    thread.join(60)
    assert not thread.is_alive()
    assert errors == ["the run was ended while a chunk waited for room in the spool"]
    assert [chunk.key for chunk in spool.waiting()] == ["iaf/run/00000.parquet"]


def test_without_a_folder_stores_are_as_they_are(tmp_path: Path) -> None:
    store = open_spooled(None)(str(tmp_path))
    store.put("iaf/run/00000.parquet", b"x")
    assert (tmp_path / "iaf/run/00000.parquet").read_bytes() == b"x"
