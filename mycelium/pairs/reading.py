"""Reading pairs for training, and refusing those that would spoil it.

Whoever trains C3 calls `read_targets` and names the tokenizer. A target without its end of sequence, with another
tokenizer's, or with two kinds in one file, is refused before the first step of training and not found out after it.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from mycelium.errors import WrongDatasetError

TARGET_COLUMNS: Final = ("prompt", "target", "eos", "tokenizer")


def read_targets(table: pa.Table, tokenizer: str, eos: str | None = None) -> pa.Table:
    """Return prompts and targets of C3 pairs, every target ending with its end of sequence.

    Args:
        table: C3 pairs, from the store or from an export; dropped ones are left out.
        tokenizer: the tokenizer that is trained with.
        eos: its end of sequence, if the caller knows it.

    Returns:
        Columns prompt and target.

    Raises:
        WrongDatasetError: the table has no column `eos`, `tokenizer`, `prompt` or `target`; it was written for another
            tokenizer; or a target does not end with its end of sequence, or holds it twice.
    """
    missing = [name for name in TARGET_COLUMNS if name not in table.column_names]
    if missing:
        raise WrongDatasetError(
            f"C3 pairs have the columns {', '.join(TARGET_COLUMNS)}, and these lack {missing[0]}: "
            f"a target without its end of sequence teaches a model never to stop"
        )
    table = keep_pairs(table)
    for name, expected in (("tokenizer", tokenizer), ("eos", eos)):
        found = set(table[name].unique().to_pylist())
        if len(found) > 1 or (expected is not None and found - {expected}):
            raise WrongDatasetError(f"these pairs were written for {name} {sorted(map(str, found))}, not {expected!r}")
    if table.num_rows:
        check_ends(table["target"], str(table["eos"][0].as_py()))
    return table.select(["prompt", "target"])


def keep_pairs(table: pa.Table) -> pa.Table:
    """Leave out the rows that are no pairs but the record of why there is none."""
    return table.filter(pc.is_null(table["drop"])) if "drop" in table.column_names else table


def check_ends(targets: pa.ChunkedArray, eos: str) -> None:
    """Refuse targets that do not end with the end of sequence, or hold it twice.

    Raises:
        WrongDatasetError: one does, or the end of sequence is empty.
    """
    if not eos:
        raise WrongDatasetError("an end of sequence is some text; got none")
    good = pc.and_(pc.ends_with(targets, eos), pc.equal(pc.count_substring(targets, eos), 1))
    n_bad = pc.sum(pc.invert(good)).as_py() or 0
    if n_bad:
        bad = targets.filter(pc.invert(good))[0].as_py()
        raise WrongDatasetError(f"every target ends with {eos!r}, once; {n_bad} do not, such as {bad[-40:]!r}")
