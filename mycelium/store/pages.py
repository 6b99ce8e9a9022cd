"""Pages of a listing on S3: read without botocore's own parser, and several at a time."""

import re
from bisect import bisect
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

_OBJECT, _OBJECT_END = b"<Contents>", b"</Contents>"
_BEFORE_PARSE = "before-parse.s3.*"
_FIELDS = re.compile(r"<Key>([^<]+)</Key>.*?<LastModified>([^<]+)</LastModified>.*?<Size>(\d+)</Size>", re.DOTALL)

OBJECTS = "Objects"
"""The entry of botocore's answer in which `read_page` leaves keys, sizes and dates."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing, as columns: a thousand objects of Python's would take longer than the request.

    Attributes:
        keys: keys in their order.
        sizes: the bytes of each object.
        modified: when each was written, RFC 3339.
        token: what to ask the next page with; None where nothing follows.
    """

    keys: Sequence[str]
    sizes: Sequence[int]
    modified: Sequence[str]
    token: str | None = None

    def up_to(self, key: str) -> "Page":
        """Return what comes no later than a key."""
        n = bisect(self.keys, key)
        return Page(self.keys[:n], self.sizes[:n], self.modified[:n])

    def objects(self) -> Iterator[ObjectInfo]:
        """Yield what it says of each object."""
        for key, size, modified in zip(self.keys, self.sizes, self.modified, strict=True):
            yield ObjectInfo(key, size, datetime.fromisoformat(modified).timestamp())


Fetch = Callable[[str | None, str | None], Page]
"""Asks for a page: after a key, or by the token of the page before."""


def hear_pages(client: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    """Let a client's listings be read by `read_page`, before botocore reads them twice."""
    from botocore import handlers  # noqa: PLC0415 - only S3 pays for it

    events = client.meta.events
    # Under the name that botocore's own readers have: under a more exact one it would come after them. Of those that
    # are to be first the first to be named is. So the one that looks through each page for an error, with a parser of
    # its own, is named once more behind this one, and only then taken from where it was: it is never missing.
    events.register_first(_BEFORE_PARSE, read_page, unique_id=OBJECTS)
    looks_for_errors = getattr(handlers, "_handle_200_error", None)
    if looks_for_errors is not None:
        events.register_first(_BEFORE_PARSE, looks_for_errors)
        events.unregister(_BEFORE_PARSE, looks_for_errors)


def read_page(
    operation_model: Any,  # noqa: ANN401 - botocore is not typed
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Read the objects of a page, and leave botocore the rest of it; what is not known by sight is left alone.

    For a page of 1,000 keys boto3 alone takes 15.5 ms of processor time in all.
    """
    if operation_model.name != "ListObjectsV2":
        return
    body = response_dict["body"]
    begin, end = body.find(_OBJECT), body.rfind(_OBJECT_END)
    if response_dict["status_code"] != 200 or begin < 0 or b"<EncodingType>url</EncodingType>" not in body:
        return
    objects = body[begin:end].decode()
    found = _FIELDS.findall(objects)
    if len(found) != objects.count("<Contents>"):
        return
    keys, modified, sizes = zip(*found, strict=True)
    response_dict["body"] = body[:begin] + body[end + len(_OBJECT_END) :]
    customized_response_dict[OBJECTS] = _unquote(keys), list(map(int, sizes)), modified


def _unquote(keys: Sequence[str]) -> list[str]:
    """Return keys as they were before they were made fit for XML."""
    plain = unquote_plus("\n".join(keys)).split("\n")
    return plain if len(plain) == len(keys) else [unquote_plus(key) for key in keys]  # a key may have line ends


def page_of(answer: Mapping[str, Any], n_cut: int) -> Page:
    """Return botocore's answer as a page, its keys without so many characters at the beginning."""
    others = answer.get("Contents", ())
    keys, sizes, modified = answer.get(OBJECTS) or (
        [item["Key"] for item in others],
        [item["Size"] for item in others],
        [item["LastModified"].isoformat() for item in others],
    )
    return Page([key[n_cut:] for key in keys], sizes, modified, answer.get("NextContinuationToken"))


def list_pages(fetch: Fetch, first: Page) -> Iterator[Page]:
    """Yield page after page."""
    page = first
    while True:
        yield page
        if page.token is None:
            return
        page = fetch(None, page.token)


def list_ranges(fetch: Fetch, first: Page, cuts: Sequence[str]) -> Iterator[Page]:
    """Yield the pages of the ranges of keys between cuts, `N_LISTERS` of them fetched at a time.

    A listing that ends before the last cut costs at most `N_LISTERS` requests more than page after page.

    Args:
        fetch: asks for a page.
        first: the first page, which is there already.
        cuts: where to cut, in order.
    """
    yield first
    begin = first.keys[-1]
    bounds = [begin, *(cut for cut in cuts if cut > begin), None]
    stop = Event()
    with ThreadPoolExecutor(N_LISTERS, "list") as pool:
        ranges = pairwise(bounds)
        flying: deque[Future[tuple[list[Page], bool]]] = deque()
        try:
            while True:
                for after, until in ranges:
                    flying.append(pool.submit(_fetch_range, fetch, after, until, stop))
                    if len(flying) == N_LISTERS:
                        break
                if not flying:
                    return
                pages, is_last = flying.popleft().result()
                yield from pages
                if is_last:
                    return
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _fetch_range(fetch: Fetch, after: str | None, until: str | None, stop: Event) -> tuple[list[Page], bool]:
    """Return the pages after one key up to another, and whether nothing follows them."""
    pages: list[Page] = []
    token = None
    while not stop.is_set():
        page = fetch(after, None) if token is None else fetch(None, token)
        token = page.token
        if until is not None and page.keys and page.keys[-1] >= until:
            return [*pages, page.up_to(until)], False
        pages.append(page)
        if token is None:
            return pages, True
    return pages, True
