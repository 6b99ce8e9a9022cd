"""One contract, three stores; then what is particular to each."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import handlers
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycelium.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreNotAvailableError,
    UserInputError,
)
from mycelium.store import (
    LocalStore,
    MemoryStore,
    ObjectInfo,
    RangeReader,
    S3Store,
    Store,
    check_key,
    open_store,
    pages,
)
from mycelium.store.pages import N_LISTERS

KEYS = st.text("ab0-_.~", min_size=1, max_size=4).filter(lambda s: s[0] != ".")


class TestEveryStore:
    """The contract."""

    def test_what_was_put_is_got(self, store: Store) -> None:
        store.put("a/b.bin", b"\x00\xff" * 1000)
        assert store.get("a/b.bin") == b"\x00\xff" * 1000

    def test_an_empty_object_is_an_object(self, store: Store) -> None:
        store.put("empty", b"")
        assert store.get("empty") == b""
        assert list(store.list()) == [ObjectInfo("empty", 0)]

    def test_a_missing_object_is_named(self, store: Store) -> None:
        with pytest.raises(ObjectNotFoundError, match="no object a/b"):
            store.get("a/b")
        with pytest.raises(FileNotFoundError):
            store.get_range("a/b", 0, 1)

    def test_create_never_replaces(self, store: Store) -> None:
        store.put("k", b"first")
        with pytest.raises(ObjectExistsError, match="k is in .* already"):
            store.put("k", b"second", mode="create")
        assert store.get("k") == b"first"

    def test_overwrite_replaces_and_creates(self, store: Store) -> None:
        store.put("k", b"first", mode="overwrite")
        store.put("k", b"second", mode="overwrite")
        assert store.get("k") == b"second"

    @pytest.mark.parametrize("pieces", [[], [b""], [b"a", b"", b"bc"], [b"x" * 3_000_000] * 7])
    def test_pieces_become_one_object_in_the_place_of_any_other(self, store: Store, pieces: list[bytes]) -> None:
        store.put("k", b"before")
        store.put_pieces("k", iter(pieces))
        assert store.get("k") == b"".join(pieces)

    def test_pieces_that_break_off_leave_what_was_there(self, store: Store) -> None:
        def break_off() -> Iterator[bytes]:
            yield b"x" * 9_000_000
            yield b"y" * 9_000_000
            raise KeyError("told to")

        store.put("k", b"before")
        with pytest.raises(KeyError):
            store.put_pieces("k", break_off())
        assert store.get("k") == b"before"
        assert [info.key for info in store.list()] == ["k"]

    def test_of_many_creators_one_succeeds(self, store: Store) -> None:
        results: list[bytes | str] = []
        start = threading.Barrier(8)

        def create(data: bytes) -> None:
            start.wait()
            try:
                store.put("raced", data)
                results.append(data)
            except ObjectExistsError:
                results.append("lost")

        threads = [threading.Thread(target=create, args=(bytes([i]) * 10_000,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [result for result in results if result != "lost"]
        assert len(results) == 8
        assert winners == [store.get("raced")]

    @pytest.mark.parametrize(("start", "length"), [(0, 4), (3, 4), (8, 100), (10, 1), (500, 3), (4, 0), (0, 0)])
    def test_a_range_is_a_slice(self, store: Store, start: int, length: int) -> None:
        data = b"0123456789"
        store.put("k", data)
        assert store.get_range("k", start, length) == data[start : start + length]

    def test_a_negative_range_is_refused(self, store: Store) -> None:
        store.put("k", b"x")
        with pytest.raises(ValueError, match="a range begins at 0"):
            store.get_range("k", -1, 1)

    def test_a_listing_has_more_pages_than_one(self, store: Store) -> None:
        keys = [f"p/{i:03d}" for i in range(25)]
        for key in keys:
            store.put(key, key.encode())
        assert [info.key for info in store.list("p/", page_size=10)] == keys
        assert {info.size for info in store.list("p/", page_size=10)} == {5}

    def test_a_listing_that_is_cut_says_the_same(self, store: Store) -> None:
        keys = [f"p/{i:03d}" for i in range(25)]
        for key in [*keys, "o", "q/1"]:
            store.put(key, key.encode())
        for cuts in (keys[4:-1:5], ["p/0075", "p/011", "p/0125", "p/zzz"], keys, ["a", "z"]):
            assert [info.key for info in store.list("p/", page_size=5, cuts=cuts)] == keys
        assert list(store.list("nothing/", page_size=5, cuts=keys)) == []

    def test_a_listing_that_is_left_and_one_of_pages(self, store: Store) -> None:
        keys = [f"p/{i:03d}" for i in range(25)]
        for key in keys:
            store.put(key, b"")
        listing = store.list("p/", page_size=2, cuts=keys[::4])
        assert [next(listing).key for _ in range(7)] == keys[:7]
        del listing
        assert [key for page in store.list_pages("p/01") for key in page] == keys[10:20]

    @pytest.mark.parametrize("sized", [True, False])
    def test_pages_say_what_the_listing_says(self, store: Store, sized: bool) -> None:
        keys = ["o", *(f"p/{i:03d}" for i in range(25)), "p/01-", "p/01/below", "p/010/too"]
        for key in sorted(set(keys) - ({"p/010"} if isinstance(store, LocalStore) else {"p/010/too"})):
            store.put(key, key.encode())
        for prefix in ("", "p", "p/", "p/01", "p/01/", "nothing"):
            for cuts in ((), ("p/0075", "p/011"), keys):
                pairs = [pair for page in store.list_pages(prefix, cuts, sized=sized) for pair in page.items()]
                wanted = [(info.key, info.size) for info in store.list(prefix)]
                assert pairs == wanted if sized else [key for key, _ in pairs] == [key for key, _ in wanted]

    def test_a_prefix_need_not_end_at_a_slash(self, store: Store) -> None:
        for key in ("iaf/run-1/0", "iaf/run-2/0", "iafx/0", "other"):
            store.put(key, b"")
        assert [info.key for info in store.list("iaf/run")] == ["iaf/run-1/0", "iaf/run-2/0"]
        assert [info.key for info in store.list("iaf")] == ["iaf/run-1/0", "iaf/run-2/0", "iafx/0"]
        assert list(store.list("nothing")) == []

    def test_keys_are_listed_in_the_order_of_their_bytes(self, store: Store) -> None:
        # "-" sorts before "/", and "0" after it: a walk of folders by name would get this wrong.
        keys = ["a-b", "a/z", "a0", "b"]
        for key in reversed(keys):
            store.put(key, b"")
        assert [info.key for info in store.list()] == keys

    def test_a_listing_says_when_an_object_was_written(self, store: Store) -> None:
        before = time.time()
        store.put("a", b"1")
        (info,) = store.list()
        assert before - 60 < info.modified_s < time.time() + 60  # S3 counts whole seconds, by a clock of its own

    def test_delete_removes_and_forgives(self, store: Store) -> None:
        store.put("k", b"x")
        store.delete("k")
        store.delete("k")
        store.delete("never/was")
        assert list(store.list()) == []

    @pytest.mark.parametrize(
        "key", ["", "/a", "a/", "a//b", "../a", "a/../../b", ".hidden", "a/.b", "a\nb", "a\0b", "ü"]
    )
    def test_a_key_can_not_leave_its_store(self, store: Store, key: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: store.get(key),
            lambda: store.put(key, b""),
            lambda: store.delete(key),
            lambda: store.get_range(key, 0, 1),
        ]
        for call in calls:
            with pytest.raises(UserInputError, match="an object's key is"):
                call()

    def test_a_range_reader_is_a_file(self, store: Store) -> None:
        data = bytes(range(256))
        store.put("k", data)
        with RangeReader(store, "k", len(data)) as file:
            assert (file.readable(), file.seekable()) == (True, True)
            file.seek(-6, os.SEEK_END)
            assert file.read(4) == data[-6:-2]
            assert file.tell() == 254
            file.seek(10)
            file.seek(5, os.SEEK_CUR)
            assert file.read(3) == data[15:18]
            assert file.bytes_read == 7


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.dictionaries(st.lists(KEYS, min_size=1, max_size=3).map("/".join), st.binary(max_size=4), max_size=12)
)
def test_local_and_memory_stores_list_alike(tmp_path: Path, objects: dict[str, bytes]) -> None:
    folder = tmp_path / os.urandom(8).hex()
    folder.mkdir()
    local, memory = LocalStore(folder), MemoryStore()
    for key, data in objects.items():
        try:
            local.put(key, data)
        except StoreNotAvailableError:
            continue  # a file can't stand where a folder does; S3 has no such bound, and our keys never need it
        memory.put(key, data)
    for prefix in ("", "a", "a/", "b-"):
        assert list(local.list(prefix)) == list(memory.list(prefix))


@given(st.text(max_size=40))
def test_a_checked_key_stays_below_any_root(key: str) -> None:
    try:
        check_key(key)
    except UserInputError:
        return
    assert os.path.normpath(os.path.join("/root", key)) == f"/root/{key}"  # noqa: PTH118 - the law is about text


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from(
            ["..", ".", "", "/", "a", "etc", "~", "\0", "C:", "\\", "%2e%2e", "\u2025", "\uff0f", "\u202e", ".ssh"]
        ),
        min_size=1,
        max_size=6,
    ).map("/".join),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=HOSTILE)
def test_no_key_reaches_beyond_a_store(store: Store, tmp_path: Path, key: str) -> None:
    """Of every store: a key is refused, or what it names is found below the store and nowhere else."""
    outside = tmp_path / "outside"
    outside.mkdir(exist_ok=True)
    before = sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "store"))
    try:
        store.put(key, b"hostile", mode="overwrite")
    except (UserInputError, StoreNotAvailableError):  # the latter where a folder would have to be a file
        pass
    else:
        assert [info.key for info in store.list(key) if info.key == key] == [key]
        store.delete(key)
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "store")) == before


class TestLocalStore:
    """A folder."""

    def test_links_are_neither_followed_nor_listed(self, tmp_path: Path) -> None:
        outside, root = tmp_path / "outside", tmp_path / "store"
        outside.mkdir()
        (outside / "secret").write_bytes(b"secret")
        store = LocalStore(root)
        store.put("iaf/a", b"x")
        (root / "linked").symlink_to(outside)
        (root / "iaf/secret").symlink_to(outside / "secret")
        (root / "iaf/loop").symlink_to(root)
        for key in ("linked/secret", "iaf/secret", "iaf/loop/iaf/a"):
            calls: list[Callable[[], object]] = [
                lambda key=key: store.get(key),  # type: ignore[misc] # the key of this round
                lambda key=key: store.get_range(key, 0, 1),  # type: ignore[misc]
                lambda key=key: store.put(key, b"new", mode="overwrite"),  # type: ignore[misc]
                lambda key=key: store.put(key, b"new"),  # type: ignore[misc]
                lambda key=key: store.delete(key),  # type: ignore[misc]
            ]
            for call in calls:
                with pytest.raises(StoreError, match="is a symbolic link, which no store follows"):
                    call()
        assert (outside / "secret").read_bytes() == b"secret"
        assert [path.name for path in outside.iterdir()] == ["secret"]
        assert [info.key for info in store.list()] == ["iaf/a"]

    def test_a_link_in_the_place_of_temporaries_sweeps_nothing_away(self, tmp_path: Path) -> None:
        home, root = tmp_path / "home", tmp_path / "store"
        for folder in (home, root):
            folder.mkdir()
        (home / "old").write_text("of value")
        os.utime(home / "old", (0, 0))
        (root / ".tmp").symlink_to(home)
        with pytest.raises(StoreError, match="is a symbolic link"):
            LocalStore(root).put("iaf/a", b"x")
        assert [path.name for path in home.iterdir()] == ["old"]

    def test_the_folder_itself_may_be_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        store = LocalStore(tmp_path / "link")
        store.put("iaf/a", b"x")
        assert store.get("iaf/a") == b"x"
        assert [info.key for info in store.list()] == ["iaf/a"]

    def test_a_store_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StoreNotAvailableError, match="there is no store at"):
            LocalStore(tmp_path / "missing").list()

    def test_a_full_disk_leaves_nothing_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = LocalStore(tmp_path)

        def refuse(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreNotAvailableError, match="can't be written: No space left on device"):
            store.put("a/b", b"data")
        monkeypatch.undo()
        assert list(store.list()) == []
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_device_that_is_full_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreNotAvailableError, match="can't be written"):
            LocalStore(tmp_path / "file" / "below").put("k", b"")

    def test_stale_temporaries_are_swept_and_young_ones_kept(self, tmp_path: Path) -> None:
        temporaries = tmp_path / ".tmp"
        temporaries.mkdir()
        stale, young = temporaries / "1-dead", temporaries / "2-alive"
        for path in (stale, young):
            path.write_bytes(b"half")
        os.utime(stale, (time.time() - 7200,) * 2)
        store = LocalStore(tmp_path)
        store.put("k", b"")
        assert not stale.exists()
        assert young.exists()
        assert [info.key for info in store.list()] == ["k"]

    def test_a_put_is_whole_or_not_there_after_kill_9(self, tmp_path: Path) -> None:
        writer = (
            "import sys\nfrom mycelium.store import LocalStore\nstore = LocalStore(sys.argv[1])\ni = 0\n"
            "print('ready', flush=True)\n"
            "while True:\n    store.put(f'new/{i}', bytes([i % 256]) * 3_000_000)\n"
            "    store.put('same', bytes([i % 256]) * 3_000_000, mode='overwrite')\n    i += 1\n"
        )
        for attempt in range(6):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            process = subprocess.Popen([sys.executable, "-c", writer, str(folder)], stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.02 + attempt * 0.013)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            store = LocalStore(folder)
            for info in store.list():
                data = store.get(info.key)
                assert len(data) == info.size == 3_000_000
                assert data == data[:1] * len(data)


class TestS3Store:
    """A bucket."""

    def test_a_missing_bucket_is_named(self, aws: str) -> None:
        store = S3Store("no-such-bucket")
        calls: list[Callable[[], object]] = [store.list, lambda: store.get("k"), lambda: store.put("k", b"")]
        for call in calls:
            with pytest.raises(StoreNotAvailableError, match="there is no bucket no-such-bucket"):
                call()

    def test_an_endpoint_that_is_not_there_is_named(self, aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(StoreNotAvailableError, match="can't be reached"):
            S3Store("bucket").get("k")

    def test_missing_credentials_are_named(self, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        with pytest.raises(StoreNotAvailableError, match="credentials are needed .*: set AWS_PROFILE"):
            S3Store("bucket", client=boto3.Session(region_name="us-east-1").client("s3")).get("k")

    @pytest.mark.parametrize(
        ("code", "error", "words"),
        [
            ("AccessDenied", StoreNotAvailableError, "refuses these AWS credentials"),
            ("ExpiredToken", StoreNotAvailableError, "credentials have expired .*: log in again"),
            ("InvalidAccessKeyId", StoreNotAvailableError, "AWS does not know these credentials"),
            ("InternalError", StoreError, "InternalError"),
        ],
    )
    def test_foreign_errors_become_ours(self, aws: str, code: str, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            S3Store("bucket", client=_failing_client([code] * 9)).get("k")

    def test_a_conflict_of_conditional_puts_is_tried_again(self, aws: str) -> None:
        client = _failing_client(["ConditionalRequestConflict"] * 2)
        S3Store("bucket", client=client).put("k", b"x")
        assert client.calls == 3

    def test_a_conflict_that_stays_is_an_error_after_five_tries(self, aws: str) -> None:
        client = _failing_client(["ConditionalRequestConflict"] * 9)
        with pytest.raises(StoreError, match="ConditionalRequestConflict"):
            S3Store("bucket", client=client).put("k", b"x")
        assert client.calls == 5

    @pytest.mark.parametrize(("cuts", "n"), [((), 5), (("k04", "k09", "k14", "k19"), 5), (("k02", "k12"), 6)])
    def test_a_listing_is_one_request_for_each_full_page_however_it_is_cut(
        self, bucket: str, cuts: tuple[str, ...], n: int
    ) -> None:
        client = boto3.client("s3")
        seen: list[str] = []
        store = S3Store(bucket, client=client)
        for i in range(25):
            store.put(f"k{i:02d}", b"")
        client.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.url))
        assert [info.key for info in store.list("k", page_size=5, cuts=cuts)] == [f"k{i:02d}" for i in range(25)]
        assert len(seen) == n

    def test_a_listing_that_ends_early_asks_for_no_more_than_was_under_way(self, bucket: str) -> None:
        client = boto3.client("s3")
        seen: list[str] = []
        store = S3Store(bucket, client=client)
        for i in range(12):
            store.put(f"k{i:03d}", b"")
        client.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.url))
        cuts = [f"k{i:03d}" for i in range(4, 999, 5)]
        assert len(list(store.list("k", page_size=5, cuts=cuts))) == 12
        assert len(seen) <= 3 + 2 * N_LISTERS

    def test_a_page_that_looks_otherwise_is_left_to_botocore(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = S3Store(bucket, "p")
        for key in ("a", "b/c", "d"):
            store.put(key, b"12")
        read = list(store.list())
        monkeypatch.setattr(pages, "_OBJECT", b"<contents>")
        assert list(store.list()) == read == [ObjectInfo(key, 2) for key in ("a", "b/c", "d")]

    def test_a_listing_reads_the_keys_that_others_wrote(self, bucket: str) -> None:
        client = boto3.client("s3")
        names = ["a b", "a+b", "a&lt;b", "ü/%41", "<xml>", "<Key>k</Key>"]
        for name in names:
            client.put_object(Bucket=bucket, Key=f"p/{name}", Body=b"123")
        found = list(S3Store(bucket, "p", client=client).list())
        assert [info.key for info in found] == sorted(names, key=str.encode)
        assert {info.size for info in found} == {3}

    def test_an_error_that_comes_as_a_page_is_tried_again_and_told(self, aws: str) -> None:
        client = boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 2}))
        body = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>told to</Message></Error>"
        sent: list[object] = []

        def answer(request: AWSRequest, **_: object) -> AWSResponse:
            sent.append(request)
            response = AWSResponse(request.url, 200, {}, None)
            response._content = body
            return response

        for _ in range(3):
            pages.hear_pages(client)
        client.meta.events.register("before-send.s3", answer)
        with pytest.raises(StoreError, match="InternalError"):
            list(S3Store("bucket", client=client).list())
        assert len(sent) == 2

    def test_botocore_reads_nothing_but_the_head_of_a_page(self, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        client = boto3.client("s3")
        store = S3Store(bucket, client=client)
        for i in range(20):
            store.put(f"k{i:02d}", b"1")
        seen: list[bytes] = []

        def look(_status: int, body: bytes) -> bool:
            seen.append(body)
            return False

        monkeypatch.setattr(handlers, "_looks_like_special_case_error", look)
        for _ in range(2):
            assert len(list(store.list("k"))) == 20
        assert len(seen) == 2
        assert all(b"<Name>" in body and b"<Contents>" not in body for body in seen)

    def test_a_key_may_have_line_ends(self) -> None:
        assert pages._unquote(["a%0Ab", "c+d", "%25"]) == ["a\nb", "c d", "%"]

    def test_a_task_s_get_and_put_are_one_request_each(self, bucket: str) -> None:
        client = boto3.client("s3")
        seen: list[str] = []
        client.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.method))
        store = S3Store(bucket, client=client)
        store.put("k", b"x")
        store.get("k")
        assert seen == ["PUT", "GET"]


def _failing_client(codes: list[str]) -> Any:
    """Return a client whose first calls fail with these codes."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    class Client:
        calls = 0
        exceptions = boto3.client("s3").exceptions

        def _call(self, **_: object) -> None:
            self.calls += 1
            if self.calls <= len(codes):
                raise ClientError({"Error": {"Code": codes[self.calls - 1], "Message": "told to"}}, "Call")

        get_object = put_object = _call

    return Client()


@pytest.mark.parametrize(
    ("uri", "kind", "shown"),
    [
        ("/some/where", LocalStore, "/some/where"),
        ("file:///some/where%20else", LocalStore, "/some/where else"),
        ("file://localhost/some", LocalStore, "/some"),
        ("s3://bucket", S3Store, "s3://bucket"),
        ("s3://bucket/a/b/", S3Store, "s3://bucket/a/b"),
    ],
)
def test_a_uri_opens_its_store(aws: str, uri: str, kind: type, shown: str) -> None:
    store = open_store(uri)
    assert isinstance(store, kind)
    assert store.uri == shown
    assert open_store(store.uri).uri == shown


@pytest.mark.parametrize("uri", ["", "gs://bucket", "s3://", "file://host/path", "http://x/y"])
def test_other_uris_are_refused_with_what_to_type(uri: str) -> None:
    with pytest.raises(UserInputError, match="a store is a path, file:///path or s3://bucket/prefix"):
        open_store(uri)
