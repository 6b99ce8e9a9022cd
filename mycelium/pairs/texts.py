"""Problem texts as training data: cleaned, told apart, and known again with other numbers.

*Twins* are problems that differ in nothing but their numbers, spacing, case and the way their characters are encoded.
A model that has seen one has seen the other, so all twins are one group, and a group is never divided.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # who only counts words does not wait for it
    import pyarrow as pa

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_NUMERAL: Final = re.compile(r"\d+(?:[.,]\d+)*")
_WORD: Final = re.compile(r"\w+")
_PERCENT: Final = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*(?:\\?%|percent)")
_SHARES: Final = {"half": ("1", "0.5"), "third": ("1",), "quarter": ("1", "0.25"), "fourth": ("1",), "fifth": ("1",)}
"""What a word for a part of one says, beside the number in it, which `mycelium.labels.steps` knows."""


def read_texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return the texts of a column; None for one that is no Unicode, such as half of a surrogate pair.

    Args:
        column: strings, whose bytes nobody may have checked: Parquet does not.
    """
    try:
        texts: list[str | None] = column.to_pylist()
    except UnicodeDecodeError:
        return [_decode(value) for value in column.cast("binary").to_pylist()]
    return texts


def _decode(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def clean_text(text: str) -> tuple[str, int]:
    """Replace control characters by spaces, but for tab and line feed; return the text and how many there were."""
    return _CONTROL.subn(" ", text)


def mask_text(text: str) -> str:
    """Return what twins have in common: every numeral is one ``#``, case and spacing are gone."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_NUMERAL.sub("#", plain).split())


def group_of(text: str) -> int:
    """Return the group of a problem's twins: 63 bits of a hash of its masked text.

    Two of 10⁶ different texts share a group by chance with a probability of 5 · 10⁻⁸; they are then on the same side.
    """
    data = mask_text(text).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1


def find_shares(text: str) -> frozenset[str]:
    """Return the numbers that a text says as shares: ``25%`` says 0.25 and 100, ``a quarter`` says 0.25 and 1."""
    found: set[str] = set()
    for number in _PERCENT.findall(text):
        whole, _, decimals = number.replace(",", "").partition(".")
        digits = (whole + decimals).rjust(len(decimals) + 3, "0")
        cut = len(digits) - len(decimals) - 2
        found |= {"100", _trim(f"{digits[:cut]}.{digits[cut:]}")}
    for word in _WORD.findall(text.lower()):
        found.update(_SHARES.get(word.removesuffix("s"), ()))
    return frozenset(found)


def _trim(decimal: str) -> str:
    whole, _, decimals = decimal.rstrip("0").partition(".")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals else whole


def find_ngrams(text: str, n: int) -> Iterator[tuple[str, ...]]:
    """Yield the runs of n words of a text, in lower case and without punctuation; a shorter text is one run.

    Args:
        text: any text.
        n: words to a run, 1 or more.
    """
    found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    if found and len(found) < n:
        yield tuple(found)
    for start in range(len(found) - n + 1):
        yield tuple(found[start : start + n])
