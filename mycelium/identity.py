"""The identity of a run: the hash of everything that decides its output."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mycelium.manifest import ObjectRef
from mycelium.schema import Provenance, Row
from mycelium.stage import Stage

RUN_DIGITS = 12


class Identity:
    """The SHA-256 of one JSON object, of which the inputs are written as they come: a million chunks are 80 MB."""

    def __init__(self, stage: Stage[Any], params: Row, provenance: Provenance, fit: ObjectRef | None) -> None:
        """Take what decides the output beside the inputs.

        Args:
            stage: the stage; its version and what it writes, with versions.
            params: its parameters, settled.
            provenance: what the outputs say they come from.
            fit: the artifact of another run that this one maps with; None where it finds its own, or needs none.
        """
        decides: dict[str, object] = {
            "stage": [stage.name, stage.version],
            "writes": [[dataset.name, dataset.version] for dataset in stage.writes],
            "params": params,
            "provenance": provenance,
            "inputs": [],
        }
        if fit is not None:
            decides["fit"] = fit.sha256
        # Only the fit's digest stands before the inputs, and a quote in a string is escaped: the first match is theirs.
        before, _, self._after = msgspec.json.encode(decides, order="sorted").partition(b'"inputs":[]')
        self._hash = hashlib.sha256(before + b'"inputs":[')
        self._comma = b""

    def add(self, chunks: Iterable[tuple[str, Sequence[ObjectRef]]]) -> None:
        """Take the inputs of some chunks; chunks come in the order of their ids."""
        lines = [[chunk_id, *[ref.sha256 for ref in refs]] for chunk_id, refs in chunks]
        if lines:
            self._hash.update(self._comma + msgspec.json.encode(lines)[1:-1])
            self._comma = b","

    def digits(self) -> str:
        """Return the first twelve hexadecimal digits of the hash of all that was taken."""
        total = self._hash.copy()
        total.update(b"]" + self._after)
        return total.hexdigest()[:RUN_DIGITS]
