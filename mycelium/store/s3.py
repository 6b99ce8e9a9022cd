"""Objects in a bucket; the one door to boto3, which is imported when it is opened."""

import contextlib
import io
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mycelium.aws import EXPIRED, UNKNOWN, describe_refusal, error_code
from mycelium.errors import ObjectExistsError, ObjectNotFoundError, StoreError, StoreNotAvailableError
from mycelium.store.base import PAGE_SIZE, ObjectInfo, PieceReader, PutMode, check_key, check_range
from mycelium.store.pages import N_LISTERS, Page, hear_pages, list_pages, list_ranges, page_of

_CONFLICT_TRIES = 5


class S3Store:
    """Objects in a bucket of S3, or of anything that speaks its protocol (`AWS_ENDPOINT_URL`)."""

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        """Take a bucket and a prefix as a store.

        Args:
            bucket: the bucket's name; it must exist.
            prefix: what every key is below, without slashes at its ends; may be empty.
            client: a boto3 S3 client; made from the environment's credentials if not given.
        """
        self._bucket = bucket
        self._prefix = check_key(prefix) + "/" if prefix else ""
        self._client = client if client is not None else _make_s3_client()

    @property
    def uri(self) -> str:
        """The bucket and prefix, as ``s3://bucket/prefix``."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        with self._calling(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._full(key))
            return bytes(answer["Body"].read())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store.get_range`."""
        check_range(start, length)
        # An empty range can't be said in HTTP; ask for one byte, so that a missing object is still noticed.
        wanted = f"bytes={start}-{start + max(length, 1) - 1}"
        with self._calling(key):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._full(key), Range=wanted)
            except self._client.exceptions.ClientError as error:
                if error_code(error) in {"InvalidRange", "416"}:  # the object ends before `start`
                    return b""
                raise
            return bytes(answer["Body"].read())[:length]

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        """See `Store.put`."""
        condition = {"IfNoneMatch": "*"} if mode == "create" else {}
        for attempt in range(_CONFLICT_TRIES):
            with self._calling(key):
                try:
                    self._client.put_object(Bucket=self._bucket, Key=self._full(key), Body=data, **condition)
                except self._client.exceptions.ClientError as error:
                    # 409: another writer's conditional put was under way; S3 asks to try again.
                    if error_code(error) != "ConditionalRequestConflict" or attempt == _CONFLICT_TRIES - 1:
                        raise
                else:
                    return
            time.sleep(secrets.randbelow(1000) / 1000 * 0.05 * 2**attempt)

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> None:
        """See `Store.put_pieces`; what is large goes in parts, unseen before the last is there."""
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - only S3 pays for it

        with self._calling(key):
            file = io.BufferedReader(PieceReader(pieces), 1 << 20)
            in_turn = TransferConfig(use_threads=False)
            self._client.upload_fileobj(file, self._bucket, self._full(key), Config=in_turn)

    def list(self, prefix: str = "", page_size: int = PAGE_SIZE, cuts: Sequence[str] = ()) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        pages = self._list(prefix, page_size, cuts)
        return (info for page in pages for info in page.objects())

    def list_pages(self, prefix: str = "", cuts: Sequence[str] = (), *, sized: bool = True) -> Iterator[dict[str, int]]:
        """See `Store.list_pages`; the bytes are said anyway."""
        del sized
        return (dict(zip(page.keys, page.sizes, strict=True)) for page in self._list(prefix, PAGE_SIZE, cuts))

    def _list(self, prefix: str, page_size: int, cuts: Sequence[str]) -> Iterator[Page]:
        def fetch(after: str | None, token: str | None) -> Page:
            return self._page(prefix, page_size, after, token)

        hear_pages(self._client)
        # The first page is fetched before the first key is asked for, so that a missing bucket is noticed at once.
        first = fetch(None, None)
        is_long = cuts and first.token and first.keys
        return list_ranges(fetch, first, cuts) if is_long else list_pages(fetch, first)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._calling(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._full(key))

    def _full(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _page(self, prefix: str, page_size: int, after: str | None, token: str | None) -> Page:
        begin = {"ContinuationToken": token} if token else {"StartAfter": self._prefix + after} if after else {}
        with self._calling(prefix):
            answer: dict[str, Any] = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix + prefix, MaxKeys=page_size, **begin
            )
        return page_of(answer, len(self._prefix))

    @contextlib.contextmanager
    def _calling(self, key: str) -> Iterator[None]:
        """Turn botocore's errors into ours."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only S3 pays for it

        try:
            yield
        except ClientError as error:
            code = error_code(error)
            if code in {"NoSuchKey", "404"}:
                raise ObjectNotFoundError(f"no object {key} in {self.uri}") from None
            if code in {"PreconditionFailed", "412"}:
                raise ObjectExistsError(f"object {key} is in {self.uri} already") from None
            if code == "NoSuchBucket":
                raise StoreNotAvailableError(
                    f"there is no bucket {self._bucket}: create it, or give another store"
                ) from None
            if code in {"AccessDenied", "403"}:
                raise StoreNotAvailableError(f"{self.uri} refuses these AWS credentials ({code})") from None
            raised = StoreNotAvailableError if code in UNKNOWN | EXPIRED else StoreError
            raise raised(f"{self.uri}: {describe_refusal(error)}") from error
        except BotoCoreError as error:
            raise StoreNotAvailableError(f"{self.uri}: {describe_refusal(error)}") from error


def _make_s3_client() -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    import boto3  # noqa: PLC0415 - only S3 pays for it
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        retries = {"mode": "standard", "max_attempts": 5}
        config = Config(retries=retries, tcp_keepalive=True, max_pool_connections=2 * N_LISTERS)
        return boto3.client("s3", config=config)
    except BotoCoreError as error:
        raise StoreNotAvailableError(f"S3: {describe_refusal(error)}") from error
