"""Count the heartbeats in a signal that was read: for looking at other thresholds without another run."""

import numpy as np
import pyarrow as pa

from mycelium.datasets import IAF
from mycelium.errors import UserInputError
from mycelium.explore.frame import Frame
from mycelium.explore.signal import Signal, find_starts
from mycelium.schema import head_columns, head_numbers
from mycelium.signals.heartbeat import MIN_RUN, THRESHOLD, check_fractions, find_phases, is_at_least

_COLUMNS = pa.schema(
    [
        ("layer", pa.int16()),
        ("head", pa.int16()),
        ("problem_id", pa.string()),
        ("level", pa.int8()),
        ("n_tokens", pa.int32()),
        ("n_systole", pa.int32()),
        ("n_diastole", pa.int32()),
    ]
)


def count_heartbeats(iaf: Signal, *, threshold: float = THRESHOLD, min_run: int = MIN_RUN) -> Frame:
    """Count the heartbeats of each problem, as the stage `heartbeat` does.

    A beat is a diastole: a run of at least `min_run` tokens whose IAF is below the threshold. What happens at the edges
    is defined in `mycelium.signals.heartbeat`.

    Args:
        iaf: what `read_signal` returned for ``iaf/…``.
        threshold: the IAF from which a token is reading, in (0, 1].
        min_run: tokens that a run needs to count, 1 or more.

    Returns:
        A row for each head, layer and problem, in the order of the signal, with the columns that the dataset
        `heartbeats` has, too; ``n_diastole`` are the beats.

    Raises:
        UserInputError: the signal is no IAF, or a parameter has no meaning.
        BadSignalError: a value is no fraction.
    """
    if iaf.dataset != IAF.name:
        raise UserInputError(f"heartbeats are counted in iaf; got {iaf.dataset}")
    if not 0 < threshold <= 1 or min_run < 1:
        raise UserInputError(f"threshold is above 0 and at most 1, min_run is 1 or more; got {threshold} and {min_run}")
    starts = find_starts(iaf.table)
    first = pa.array(starts)
    keys = {name: iaf.table[name].take(first) for name in ("layer", "problem_id", "level")}
    n_tokens = np.diff(starts, append=len(iaf))
    tables = []
    for head, name in zip(head_numbers(head_columns(iaf.table)), head_columns(iaf.table), strict=True):
        fractions = iaf.table[name].to_numpy()
        check_fractions(fractions)
        phases = find_phases(is_at_least(fractions, threshold), starts, min_run)
        counts = {
            "n_tokens": n_tokens,
            "n_systole": np.bincount(phases.trace[phases.reading], minlength=len(starts)),
            "n_diastole": np.bincount(phases.trace[~phases.reading], minlength=len(starts)),
        }
        columns = {**keys, "head": np.full(len(starts), head), **counts}
        tables.append(pa.table({field.name: columns[field.name] for field in _COLUMNS}).cast(_COLUMNS))
    return Frame(pa.concat_tables(tables or [_COLUMNS.empty_table()]).combine_chunks())
