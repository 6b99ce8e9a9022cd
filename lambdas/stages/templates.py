"""Group steps by what they say about their labels: the templates of the Information Bottleneck.

A fit first: p(y|x) is estimated, templates are grown, and how many there are is chosen; then every step is assigned to
the template whose p(y|t) is nearest to its p(y|x). What is asked in which round is in `mycelium.templates.find`; what a
template is, in `mycelium.bottleneck`.

With another run's artifact (``--fit-of``) nothing is fitted, and a million new steps are assigned by the map alone.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from lambdas.stages.labels import LABELS
from lambdas.stages.steps import STEPS
from mycelium.bottleneck.information import divergence
from mycelium.datasets import EMBEDDINGS, PROBLEMS
from mycelium.schema import Column, Dataset, Result
from mycelium.stage import Fit, Stage, select_columns
from mycelium.templates.answers import add_answers, answer_question
from mycelium.templates.chunks import read_chunk
from mycelium.templates.find import find_templates
from mycelium.templates.fitted import Fitted
from mycelium.templates.params import TemplatesParams
from mycelium.templates.portrait import add_portraits, describe_templates, summarize_assignments

DIVERGENCE_UNIT: Final = 1 << 16
"""Divergences are told in multiples of 1 / DIVERGENCE_UNIT bits: what a logarithm's last bit can't change."""

ASSIGNMENTS = Dataset(
    name="assignments",
    version=1,
    meaning="a step and its template",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("index", pa.int64(), "the problem's place in the run, from 0"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("subject", pa.string(), "field of mathematics", nullable=True),
        Column("step", pa.int32(), "as in `steps`, whose rows these are, in order"),
        Column("start", pa.int32(), "as in `steps`"),
        Column("end", pa.int32(), "as in `steps`"),
        Column("expression", pa.string(), "as in `steps`"),
        Column("digest", pa.binary(16), "as in `steps`"),
        Column("label", pa.string(), "Y; of several the first; null where the step could not be read", nullable=True),
        Column("template", pa.int16(), "the number of its template, from 0"),
        Column("divergence", pa.float32(), "D(p(y|x)‖p(y|t)), bits: how far it is from its template"),
    ),
)


def map_steps(tables: Sequence[pa.Table], params: TemplatesParams) -> list[pa.Table]:
    """Assign the steps of one chunk to templates.

    Args:
        tables: `problems`, `steps`, `labels`, `embeddings`, and the fit's artifact.
        params: see there.

    Returns:
        One table of `assignments`, a row for each step, in order.

    Raises:
        WrongDatasetError: labels or embeddings are of other steps.
        UserInputError: the embeddings are not those that the templates were fitted to.
    """
    chunk, fitted = read_chunk(tables), Fitted.from_table(tables[4])
    rows = fitted.rows(chunk)
    templates = fitted.assign(rows)
    bits = divergence(rows, fitted.centroids[templates]) if len(rows) else np.zeros(0)
    subjects = dict(zip(*(chunk.problems[name].to_pylist() for name in ("problem_id", "subject")), strict=True))
    labels = [found[0] if found else None for found in chunk.label_lists(params.label)]
    steps = chunk.steps
    columns = {name: steps[name] for name in ("problem_id", "index", "level", "step", "start", "end", "expression")}
    columns |= {
        "subject": pa.array([subjects.get(name) for name in steps["problem_id"].to_pylist()], pa.string()),
        "digest": steps["digest"],
        "label": pa.array(labels, pa.string()),
        "template": pa.array(templates.astype(np.int16)),
        "divergence": pa.array((np.rint(bits * DIVERGENCE_UNIT) / DIVERGENCE_UNIT).astype(np.float32)),
    }
    return [pa.table({name: columns[name] for name in ASSIGNMENTS.arrow_schema().names})]


def conclude_fit(artifact: pa.Table, params: TemplatesParams) -> Result:
    """Return what was concluded when the templates were found.

    Args:
        artifact: what `find_templates` returned.
        params: those of the run.

    Returns:
        ``fit``: the choice of k, the bound on I(X;Y), how well p(y|x) is calibrated. ``curve``: I(T;Y), I(X;T) and
        held-out information at each k, bits. ``gains``: how many templates each of the paper's thresholds leaves.
        ``tree``: each split, its gain and its critical β.
    """
    del params
    return Fitted.from_table(artifact).report


def conclude_templates(total: pa.Table, params: TemplatesParams) -> Result:
    """Tabulate the templates: see `mycelium.templates.portrait.describe_templates`."""
    del params
    return describe_templates(total)


STAGE = Stage(
    name="templates",
    version=1,
    summary="group steps by what they say about their labels: the templates of the Information Bottleneck",
    reads=(PROBLEMS, STEPS, LABELS, EMBEDDINGS),
    writes=(ASSIGNMENTS,),
    params=TemplatesParams(),
    map=map_steps,
    summarize=summarize_assignments,
    reduce=add_portraits,
    conclude=conclude_templates,
    select=select_columns("problem_id", "subject"),
    fit=Fit(find=find_templates, answer=answer_question, reduce=add_answers, conclude=conclude_fit),
)
