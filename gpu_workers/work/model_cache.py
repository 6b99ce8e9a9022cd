"""The teacher's files on this machine: a folder, a name on the hub, or a folder in a store that is fetched once."""

import secrets
import shutil
from pathlib import Path

from mycelium.errors import ModelError
from mycelium.store import ObjectInfo, Store, open_store

PIECE_BYTES = 64 << 20
"""Bytes fetched at a time: a shard of weights has gigabytes."""


def fetch_model(name: str, cache: Path) -> str:
    """Return what `load_teacher` takes: the name itself, or the folder into which a store's copy was fetched.

    The folder has the name of the one in the store, and so has the teacher: machines that fetched it, and one that had
    it in a folder of that name, agree about who the teacher is.

    Args:
        name: a folder, a name on the hub, or ``s3://bucket/prefix/FOLDER`` (``file:///…`` as well).
        cache: the folder below which copies are kept. They are not fetched again.

    Raises:
        ModelError: there is no such folder in the store, or no room for it here.
        StoreNotAvailableError: the store can't be read.
    """
    if "://" not in name:
        return name
    parent, _, folder = name.rstrip("/").rpartition("/")
    here = cache / folder
    if here.is_dir():
        return str(here)
    store = open_store(parent)
    infos = [info for info in store.list(f"{folder}/") if "/" not in info.key.removeprefix(f"{folder}/")]
    if not infos:
        raise ModelError(f"there is no model at {name}: copy its folder there, config, safetensors and tokenizer")
    fetched = cache / f".{folder}-{secrets.token_hex(4)}"
    try:
        fetched.mkdir(parents=True)
        for info in infos:
            _fetch(store, info, fetched / info.key.rpartition("/")[2])
        fetched.rename(here)
    except OSError as error:
        if isinstance(error, FileExistsError) or here.is_dir():  # another worker on this machine was first
            return str(here)
        raise ModelError(f"model {name} can't be fetched into {cache}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fetched, ignore_errors=True)
    return str(here)


def _fetch(store: Store, info: ObjectInfo, path: Path) -> None:
    with path.open("wb") as file:
        for start in range(0, info.size, PIECE_BYTES):
            file.write(store.get_range(info.key, start, min(PIECE_BYTES, info.size - start)))
