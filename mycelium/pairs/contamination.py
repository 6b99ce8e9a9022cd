"""Whether a text to train on holds what will be asked in an evaluation.

Two texts meet if they share a run of n words; case, punctuation and spacing don't count. n = 13 is what GPT-3's authors
used for benchmarks. A text of fewer words is one run, and meets a text of the same words only.

Source: T. Brown et al., Language models are few-shot learners, 2020, appendix C.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from mycelium.pairs.texts import find_ngrams

NGRAM = 13
"""Words in a run."""


@dataclass(frozen=True, slots=True)
class Match:
    """A run of words that a text shares with an evaluation.

    Attributes:
        evaluation: which text of the evaluation.
        words: the run.
    """

    evaluation: str
    words: str


class Evaluation:
    """The texts that will be asked, by their runs of words: some 60 bytes for each run."""

    def __init__(self, texts: Iterable[tuple[str, str]], n: int = NGRAM) -> None:
        """Take the evaluation's texts.

        Args:
            texts: name and text of each.
            n: words to a run, 1 or more.
        """
        if n < 1:
            raise ValueError(f"a run has 1 word or more; got {n}")
        self._n = n
        self._names: list[str] = []
        self._runs: dict[int, int] = {}
        for name, text in texts:
            for run in find_ngrams(text, n):
                self._runs.setdefault(_hash(run), len(self._names))
            self._names.append(name)

    @property
    def n_text(self) -> int:
        """How many texts it has."""
        return len(self._names)

    def find(self, text: str) -> Match | None:
        """Return the first run of a text that the evaluation has, too; None if there is none."""
        for run in find_ngrams(text, self._n):
            place = self._runs.get(_hash(run))
            if place is not None:
                return Match(self._names[place], " ".join(run))
        return None


def _hash(run: tuple[str, ...]) -> int:
    return int.from_bytes(
        hashlib.blake2b(" ".join(run).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )
