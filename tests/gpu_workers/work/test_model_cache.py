"""A teacher in a store is fetched once, whole or not at all."""

from pathlib import Path

import pytest

from gpu_workers.teacher import load_teacher
from gpu_workers.work import model_cache
from gpu_workers.work.model_cache import fetch_model
from mycelium.errors import ModelError
from mycelium.store import S3Store


def put_folder(s3: S3Store, folder: Path, prefix: str) -> None:
    for path in folder.iterdir():
        s3.put(f"{prefix}/{path.name}", path.read_bytes())


def test_a_fetched_teacher_is_the_same_teacher(
    s3: S3Store, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_cache, "PIECE_BYTES", 1000)
    put_folder(s3, Path(model), "models/tiny")
    fetched = fetch_model(f"{s3.uri}/models/tiny/", tmp_path / "cache")
    assert fetched == str(tmp_path / "cache" / "tiny")
    for path in Path(model).iterdir():
        assert (Path(fetched) / path.name).read_bytes() == path.read_bytes()
    assert load_teacher(fetched, device="cpu").identity == load_teacher(model, device="cpu").identity
    for info in list(s3.list("models/")):
        s3.delete(info.key)
    assert fetch_model(f"{s3.uri}/models/tiny", tmp_path / "cache") == fetched  # not asked for again


@pytest.mark.parametrize("name", ["samples/teacher", "Qwen/Qwen2.5-Math-7B"])
def test_a_folder_or_a_name_on_the_hub_stays_what_it_is(name: str, tmp_path: Path) -> None:
    assert fetch_model(name, tmp_path) == name


def test_no_such_model_leaves_nothing_behind(s3: S3Store, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model at s3://"):
        fetch_model(f"{s3.uri}/models/none", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_fetch_that_is_cut_off_leaves_nothing_that_looks_whole(
    s3: S3Store, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_folder(s3, Path(model), "models/tiny")
    calls = 0

    def fail_later(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")

    cache = tmp_path / "cache"
    with monkeypatch.context() as patched:
        patched.setattr(model_cache, "_fetch", fail_later)
        with pytest.raises(ModelError, match="No space left"):
            fetch_model(f"{s3.uri}/models/tiny", cache)
    assert list(cache.iterdir()) == []
    assert fetch_model(f"{s3.uri}/models/tiny", cache) == str(cache / "tiny")
