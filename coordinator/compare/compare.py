"""Compare two runs of `templates`: which template of the one is which of the other, and what became of the rest.

Only steps that both runs have are compared: the same problem, the same place in its chain, the same expression. So a
run over 1,516 problems can be held against one over 7,842 that has them too.

A template *goes on* where at least half of its steps went into one template of the other run, and at least half of that
one's steps came from it. It is *split* where two or more templates of the other run took at least half of their steps
from it; two or more are *merged* where at least half of the steps of each went into one. A template of which none of
this is true has *disappeared* from the first run, or *appeared* in the second.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.optimize import linear_sum_assignment

from lambdas.stages.templates import ASSIGNMENTS
from mycelium.bottleneck.agreement import adjusted_mutual_information
from mycelium.errors import UserInputError, WrongDatasetError
from mycelium.manifest import Manifest
from mycelium.schema import decode_chunk
from mycelium.store import Store

HALF = 0.5
KINDS = ("goes on", "split", "merged", "disappeared", "appeared")
_KEYS = ["problem_id", "step", "digest"]

Table = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """Two templates that the best one-to-one assignment puts together.

    Attributes:
        first: number in the first run.
        second: number in the second run.
        first_name: its name.
        second_name: its name.
        steps: common steps of the one.
        other_steps: common steps of the other.
        shared: steps in both.
        overlap: shared / steps in either, 0 to 1.
    """

    first: int
    second: int
    first_name: str
    second_name: str
    steps: int
    other_steps: int
    shared: int
    overlap: float


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one template.

    Attributes:
        what: one of `KINDS`.
        templates: those of the first run, as numbers and names; none for one that appeared.
        others: those of the second run; none for one that disappeared.
        steps: common steps of it: of the one that was split, that others merged into, that is gone or new.
    """

    what: str
    templates: str
    others: str
    steps: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs of `templates`, side by side.

    Attributes:
        first: the first run.
        second: the second run.
        steps: steps of each.
        common: steps that both have.
        agreement: adjusted mutual information of their templates on these: 1 the same, 0 chance.
        in_place: share of the common steps whose templates are matched.
        matches: the best one-to-one assignment, by shared steps, the largest first.
        changes: what became of each template.
    """

    first: str
    second: str
    steps: tuple[int, int]
    common: int
    agreement: float
    in_place: float
    matches: tuple[Match, ...]
    changes: tuple[Change, ...]


def compare_runs(store: Store, first: Manifest, second: Manifest) -> Comparison:
    """Compare two runs.

    Raises:
        WrongDatasetError: a run is none of templates, or of problems of another origin.
        UserInputError: a run is not complete, or the two have no step in common.
    """
    if first.provenance.origin != second.provenance.origin:
        raise WrongDatasetError(
            f"only problems of one origin are compared; got {first.provenance.origin} and {second.provenance.origin}"
        )
    tables = [read_assignments(store, manifest) for manifest in (first, second)]
    joined = tables[0].join(tables[1], _KEYS, join_type="inner", right_suffix="_other")
    if not joined.num_rows:
        raise UserInputError(f"runs {first.run_id} and {second.run_id} have no step in common: nothing can be compared")
    ours, theirs = (joined[name].to_numpy().astype(np.int64) for name in ("template", "template_other"))
    names = [_read_names(manifest) for manifest in (first, second)]
    shape = tuple(max([*known, int(found.max())]) + 1 for known, found in zip(names, (ours, theirs), strict=True))
    counts: Table = np.zeros(shape, np.int64)
    np.add.at(counts, (ours, theirs), 1)
    matches = match_templates(counts, names[0], names[1])
    return Comparison(
        first=f"assignments/{first.run_id}",
        second=f"assignments/{second.run_id}",
        steps=(tables[0].num_rows, tables[1].num_rows),
        common=joined.num_rows,
        agreement=adjusted_mutual_information(ours, theirs),
        in_place=sum(match.shared for match in matches) / joined.num_rows,
        matches=matches,
        changes=tell_changes(counts, names[0], names[1]),
    )


def read_assignments(store: Store, manifest: Manifest) -> pa.Table:
    """Return problem, step, digest and template of every step of a run.

    Raises:
        WrongDatasetError: it is no run of templates.
        UserInputError: it is not complete.
    """
    chunks = manifest.chunks(ASSIGNMENTS.name)
    if not manifest.complete or not chunks:
        raise UserInputError(f"run {manifest.run_id} of {manifest.stage} is no complete run of templates")
    tables = [decode_chunk(store.get(ref.key), ASSIGNMENTS)[0] for _, ref in sorted(chunks.items())]
    return pa.concat_tables(table.select([*_KEYS, "template"]) for table in tables)


def match_templates(counts: Table, names: Mapping[int, str], others: Mapping[int, str]) -> tuple[Match, ...]:
    """Put templates together one to one, so that as many steps as possible are in a pair: the Hungarian method.

    Args:
        counts: shape (templates, templates of the other run), common steps.
        names: the templates' names.
        others: the other's.

    Returns:
        The pairs that share a step, the largest first.
    """
    sizes, other_sizes = counts.sum(axis=1), counts.sum(axis=0)
    pairs = zip(*linear_sum_assignment(counts, maximize=True), strict=True)
    found = [
        Match(
            first=int(a),
            second=int(b),
            first_name=names.get(int(a), "?"),
            second_name=others.get(int(b), "?"),
            steps=int(sizes[a]),
            other_steps=int(other_sizes[b]),
            shared=int(counts[a, b]),
            overlap=int(counts[a, b]) / int(sizes[a] + other_sizes[b] - counts[a, b]),
        )
        for a, b in pairs
        if counts[a, b]
    ]
    return tuple(sorted(found, key=lambda match: (-match.shared, match.first)))


def tell_changes(counts: Table, names: Mapping[int, str], others: Mapping[int, str]) -> tuple[Change, ...]:
    """Say what became of each template; see the module for the words.

    Args:
        counts: shape (templates, templates of the other run), common steps.
        names: the templates' names.
        others: the other's.
    """
    sizes, other_sizes = counts.sum(axis=1), counts.sum(axis=0)
    # Of the steps of a template, at least half went there; of those of another, at least half came from here.
    goes = (counts >= HALF * sizes[:, None]) & (counts > 0)
    comes = (counts >= HALF * other_sizes[None, :]) & (counts > 0)
    is_split, is_merged = comes.sum(axis=1) > 1, goes.sum(axis=0) > 1
    goes_on = goes & comes & ~is_split[:, None] & ~is_merged[None, :]
    split, merged = comes & is_split[:, None], goes & is_merged[None, :]
    here, there = _Side(names, sizes), _Side(others, other_sizes)
    changes = [Change("goes on", here.say([a]), there.say([b]), here.size(a)) for a, b in np.argwhere(goes_on).tolist()]
    changes += [
        Change("split", here.say([a]), there.say(np.flatnonzero(split[a])), here.size(a))
        for a in np.flatnonzero(is_split).tolist()
    ]
    changes += [
        Change("merged", here.say(np.flatnonzero(merged[:, b])), there.say([b]), there.size(b))
        for b in np.flatnonzero(is_merged).tolist()
    ]
    told = goes_on | split | merged
    changes += [Change("disappeared", here.say([a]), "", here.size(a)) for a in names if not told[a].any()]
    changes += [Change("appeared", "", there.say([b]), there.size(b)) for b in others if not told[:, b].any()]
    return tuple(sorted(changes, key=lambda change: (KINDS.index(change.what), -change.steps, change.templates)))


@dataclass(frozen=True, slots=True)
class _Side:
    """The templates of one run: their names, and how many common steps each has."""

    names: Mapping[int, str]
    sizes: Table

    def say(self, templates: Iterable[int]) -> str:
        return ", ".join(f"{int(number)} {self.names.get(int(number), '?')}" for number in templates)

    def size(self, template: int) -> int:
        return int(self.sizes[template])


def _read_names(manifest: Manifest) -> dict[int, str]:
    rows = manifest.result.get("templates", [])
    return {int(row["template"] or 0): str(row["name"]) for row in rows}
