"""What a stage is: a pure map over chunks, and a pure associative reduce over what the maps leave.

A stage file, ``lambdas/stages/<name>.py``, holds one `Stage` named STAGE; the file is the registration.

Some stages must know something of all chunks before they can map one of them: a `Fit` finds it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import pyarrow as pa

from mycelium.schema import EVERYTHING, Dataset, Result, Selection

P = TypeVar("P")

Ask = Callable[[pa.Table], pa.Table]
"""Puts a question, a small table, to every chunk, and returns their answers, reduced to one."""

MADE_BY = b"made_by"
"""The key in a table's schema metadata under which a stage with a fit is told what made its input: the stage, its
version and its parameters, as text. Two chunks that differ in it are not of one kind, whatever their columns say."""


def _select(selection: Selection, params: Any) -> Selection:  # noqa: ANN401 - any stage's parameters
    del params
    return selection


def select_columns(*columns: str) -> Callable[[Any], Selection]:
    """Return a `select` that reads some columns, whatever the parameters; all, if none is named."""
    return partial(_select, Selection(columns=columns) if columns else EVERYTHING)


select_everything = select_columns()


@dataclass(frozen=True, slots=True)
class Fit(Generic[P]):
    """What must be known of all chunks before one can be mapped: found by asking them, round after round.

    `find` runs where the run is coordinated; the chunks answer wherever the tasks run. It must be a function of its
    parameters and of what it is answered, and of nothing else: a fit that was interrupted is begun anew, and the
    rounds that were answered before are answered from the store.

    Attributes:
        find: asks, and returns the artifact: a table, small enough that every task can load it.
        answer: the tables of the stage's `reads` and then the question, and the parameters, to the chunk's answer.
        reduce: answers to one answer; associative and exact, as a stage's `reduce` is.
        conclude: the artifact and the parameters to what the manifest keeps of the fit.
    """

    find: Callable[[Ask, P], pa.Table]
    answer: Callable[[Sequence[pa.Table], P], pa.Table]
    reduce: Callable[[Sequence[pa.Table]], pa.Table]
    conclude: Callable[[pa.Table, P], Result]


@dataclass(frozen=True, slots=True)
class Stage(Generic[P]):
    """A map, a reduce, and the datasets between which they stand.

    The reduce runs over *parts*: small tables, of which `summarize` makes one from each chunk written, and `reduce`
    makes one from many. `reduce` must be associative and exact (see `mycelium.stats`), since it runs as a tree of any
    shape and its result must be the same bytes.

    Attributes:
        name: the stage file's name.
        version: raised when the same input would give another answer; a new version starts new runs.
        summary: one sentence for people.
        reads: every dataset that may be read, joined by chunk id.
        writes: the datasets written; the object of the last one is the chunk's completion mark.
        params: a frozen dataclass of the parameters' defaults; its fields' metadata `help` explain them.
        map: the tables of `inputs`, then the fit's artifact where there is a fit, and the parameters to the tables of
            `writes`.
        summarize: the tables of `writes` to a part.
        reduce: parts to one part.
        conclude: the last part and the parameters to what the manifest keeps as the run's result.
        select: the parameters to what is read of the first of `reads`.
        settle: the parameters, and what the runs read have concluded, by dataset, to the parameters that count: for one
            that is left open, and that an input decides. None where there is none such.
        choose: the parameters to those of `reads` that are read; None for all, whatever the parameters.
        optional: of `reads`, those that need not have every chunk: one that is missing is read as an empty table.
        gathers: the dataset, of one chunk for each run, that `gather` makes of the last part; None for none.
        gather: the last part and the parameters to the table of `gathers`.
        memory_mb: what one task may use.
        timeout_s: how long one task may take.
        requires: the packages that its Lambda function carries.
        fit: what must be known of all chunks first; None for most stages.
    """

    name: str
    version: int
    summary: str
    reads: tuple[Dataset, ...]
    writes: tuple[Dataset, ...]
    params: P
    map: Callable[[Sequence[pa.Table], P], Sequence[pa.Table]]
    summarize: Callable[[Sequence[pa.Table]], pa.Table]
    reduce: Callable[[Sequence[pa.Table]], pa.Table]
    conclude: Callable[[pa.Table, P], Result]
    select: Callable[[P], Selection] = select_everything
    memory_mb: int = 1769
    timeout_s: int = 300
    settle: Callable[[P, Mapping[str, Result]], P] | None = None
    choose: Callable[[P], tuple[Dataset, ...]] | None = None
    optional: tuple[Dataset, ...] = ()
    gathers: Dataset | None = None
    gather: Callable[[pa.Table, P], pa.Table] | None = None
    requires: tuple[str, ...] = ("numpy", "pyarrow", "msgspec")
    fit: Fit[P] | None = None

    def inputs(self, params: P) -> tuple[Dataset, ...]:
        """Return the datasets that are read with some parameters, in the order in which `map` gets their tables."""
        return self.reads if self.choose is None else self.choose(params)
