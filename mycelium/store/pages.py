"""Pages of a listing on S3: read without botocore's own parser, and several at a time."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from threading import Event
from typing import Any
from urllib.parse import unquote_plus

from mycelium.store.base import ObjectInfo

N_LISTERS = 16
"""Ranges of one listing fetched at a time."""

_OBJECT, _OBJECT_END, _FIELDS = b"<Contents>", b"</Contents>", ("Key", "Size", "LastModified")

OBJECTS = "Objects"
"""The entry of botocore's answer in which `read_page` leaves keys, sizes and dates."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing.

    Attributes:
        objects: its objects, in the order of their keys.
        token: what to ask the next page with; None where nothing follows.
    """

    objects: Sequence[ObjectInfo]
    token: str | None


Fetch = Callable[[str | None, str | None], Page]
"""Asks for a page: after a key, or by the token of the page before."""


def hear_pages(client: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    """Let a client's listings be read by `read_page`, before botocore reads them twice."""
    # Under the name that botocore's own readers have: under a more exact one it would come after them.
    client.meta.events.register_first("before-parse.s3.*", read_page, unique_id=OBJECTS)


def read_page(
    operation_model: Any,  # noqa: ANN401 - botocore is not typed
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Read the objects of a page, and leave botocore the rest of it; what is not known by sight is left alone.

    For a page of 1,000 keys boto3 took 15.5 ms of processor time in all, and takes about 7 with this.
    """
    if operation_model.name != "ListObjectsV2":
        return
    body = response_dict["body"]
    begin, end = body.find(_OBJECT), body.rfind(_OBJECT_END)
    if response_dict["status_code"] != 200 or begin < 0 or b"<EncodingType>url</EncodingType>" not in body:
        return
    objects = body[begin:end].decode()
    found = []
    for said in objects.split("<Contents>")[1:]:
        key, size, modified = (said.partition(f"<{name}>")[2].partition("<")[0] for name in _FIELDS)
        if not (key and size and modified):
            return
        found.append((unquote_plus(key), int(size), datetime.fromisoformat(modified).timestamp()))
    response_dict["body"] = body[:begin] + body[end + len(_OBJECT_END) :]
    customized_response_dict[OBJECTS] = found


def objects_of(answer: Mapping[str, Any], n_cut: int) -> list[ObjectInfo]:
    """Return the objects of botocore's answer, their keys without so many characters at the beginning."""
    found = answer.get(OBJECTS)
    if found is None:
        others = answer.get("Contents", ())
        found = [(item["Key"], item["Size"], item["LastModified"].timestamp()) for item in others]
    return [ObjectInfo(key[n_cut:], size, modified_s) for key, size, modified_s in found]


def list_pages(fetch: Fetch, first: Page) -> Iterator[ObjectInfo]:
    """Yield the objects of page after page."""
    page = first
    while True:
        yield from page.objects
        if page.token is None:
            return
        page = fetch(None, page.token)


def list_ranges(fetch: Fetch, first: Page, cuts: Sequence[str]) -> Iterator[ObjectInfo]:
    """Yield the objects of the ranges of keys between cuts, `N_LISTERS` of them fetched at a time.

    A listing that ends before the last cut costs at most `N_LISTERS` requests more than page after page.

    Args:
        fetch: asks for a page.
        first: the first page, which is there already.
        cuts: where to cut, in order.
    """
    yield from first.objects
    begin = first.objects[-1].key
    bounds = [begin, *(cut for cut in cuts if cut > begin), None]
    stop = Event()
    with ThreadPoolExecutor(N_LISTERS, "list") as pool:
        ranges = pairwise(bounds)
        flying: deque[Future[tuple[list[ObjectInfo], bool]]] = deque()
        try:
            while True:
                for after, until in ranges:
                    flying.append(pool.submit(_fetch_range, fetch, after, until, stop))
                    if len(flying) == N_LISTERS:
                        break
                if not flying:
                    return
                objects, is_last = flying.popleft().result()
                yield from objects
                if is_last:
                    return
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _fetch_range(fetch: Fetch, after: str | None, until: str | None, stop: Event) -> tuple[list[ObjectInfo], bool]:
    """Return the objects after one key up to another, and whether nothing follows them."""
    objects: list[ObjectInfo] = []
    token = None
    while not stop.is_set():
        page = fetch(after, None) if token is None else fetch(None, token)
        token = page.token
        if until is not None and page.objects and page.objects[-1].key >= until:
            objects += (info for info in page.objects if info.key <= until)
            return objects, False
        objects += page.objects
        if token is None:
            return objects, True
    return objects, True
