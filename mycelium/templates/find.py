"""The rounds of the fit of templates.

1. *Survey*: how many steps, which labels, one embedding. What can't be fitted is refused here, in one line.
2. *Sample*: X and Y of whole problems, enough steps to estimate p(y|x): all of them, if there are no more.
3. The rows p(y|x) of all steps: those of the sample are at hand; if there are others, all are gathered in one round.
   More than `in_memory` are never gathered: each pass of the hierarchy is a round, whose answers are sums.

The hierarchy sees no difference between rows in memory and rows in chunks.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa

from mycelium.bottleneck.elbow import Choice, choose_k, count_templates, tabulate_gains
from mycelium.bottleneck.hierarchy import Hierarchy, grow
from mycelium.bottleneck.posterior import Posterior, fit_posterior
from mycelium.bottleneck.rows import Passes, Question, Rows, Sums, in_memory
from mycelium.bottleneck.targets import encode_labels
from mycelium.errors import UserInputError, WrongDatasetError
from mycelium.schema import Result, Row
from mycelium.stage import Ask
from mycelium.stats import read_tally
from mycelium.templates.answers import ask_rows, ask_sample, ask_sums, ask_survey, decode_sums, unpack
from mycelium.templates.chunks import ALL_HASHES
from mycelium.templates.fitted import Fitted, carry
from mycelium.templates.params import TemplatesParams


def find_templates(ask: Ask, params: TemplatesParams) -> pa.Table:
    """Estimate p(y|x), grow templates on it, choose how many, and return the artifact.

    Raises:
        UserInputError: there is too little: no steps, one label, fewer steps than `min_size`, embeddings that are all
            alike, or fewer templates than `k` can be told apart.
        WrongDatasetError: the embeddings were not all made in the same way.
    """
    counts = read_tally(ask(ask_survey()))
    embedding = _check_survey(counts, params)
    n_step = counts["step"][""]
    bound = ALL_HASHES if n_step <= params.sample else ALL_HASHES * params.sample // n_step
    sample = ask(ask_sample(bound))
    targets = encode_labels(sample["labels"].to_pylist())
    problems = sample["problem"].to_numpy()
    features = unpack(sample["x"], np.float16).astype(np.float32)
    n_sample = sample.num_rows
    del sample
    posterior = fit_posterior(features, targets, problems, seed=params.seed)
    del features
    fitted = carry(posterior, targets.names, problems, embedding)
    passes = _make_passes(ask, fitted, posterior.rows, n_step, params)
    hierarchy = grow(passes, len(targets.names), params.k_max, min_size=params.min_size)
    choice = choose_k(hierarchy, posterior.rows, targets, problems, seed=params.seed)
    level = hierarchy.level(params.k or choice.k)
    facts: Row = {
        "k": level.k,
        "chosen_by": "given" if params.k else "held-out information",
        "steps": n_step,
        "without_label": n_step - counts["labelled"][""],
        "sampled": n_sample,
        "labels": len(targets.names),
        "embedding": embedding,
    }
    report = _tell_fit(facts, posterior, hierarchy, choice)
    return replace(fitted, centroids=level.centroids, report=report).to_table()


def _make_passes(ask: Ask, fitted: Fitted, sampled: Rows, n_step: int, params: TemplatesParams) -> Passes:
    if n_step <= min(params.sample, params.in_memory):
        return in_memory(sampled)
    if n_step <= params.in_memory:
        gathered = ask(ask_rows(fitted))["row"]
        return in_memory(np.asarray(unpack(gathered, np.float32), np.float32))

    def add(question: Question) -> Sums:
        return decode_sums(ask(ask_sums(fitted, question)))

    return add


def _check_survey(counts: Mapping[str, Mapping[str, int]], params: TemplatesParams) -> str:
    """Refuse what can't be fitted, and return what made the embeddings."""
    n_step, n_labelled = counts["step"][""], counts.get("labelled", {}).get("", 0)
    if n_step < params.min_size or not n_labelled:
        raise UserInputError(
            f"a template has at least {params.min_size} steps (min_size), and there are {n_step}, {n_labelled} of them "
            "with a label"
        )
    for what, found in (("made by one model", counts["embedding"]), ("of one length", counts["dimensions"])):
        if len(found) > 1:
            said = "; ".join(f"{name} in {count} chunks" for name, count in sorted(found.items()))
            raise WrongDatasetError(f"the embeddings of a run are {what}; got {said}")
    return next(iter(counts["embedding"]))


def _tell_fit(facts: Row, posterior: Posterior, hierarchy: Hierarchy, choice: Choice) -> Result:
    quality, level = posterior.quality, hierarchy.level(int(facts["k"] or 1))
    gains = tabulate_gains(hierarchy)
    held = {row.k: row for row in choice.held_out}
    return {
        "fit": [
            facts
            | {
                "label_entropy": quality.label_entropy,
                "bound": quality.bound,
                "relevance": level.relevance,
                "held_out": held[level.k].relevance,
                "share_of_bound": held[level.k].relevance / quality.bound if quality.bound > 0 else None,
                "calibration_error": quality.calibration_error,
                "calibration_error_before": quality.calibration_error_before,
                "degenerate": posterior.is_degenerate,
                "significant_k": choice.significant_k,
                "ended": hierarchy.ended,
            }
        ],
        "curve": [
            {
                "k": level.k,
                "relevance": level.relevance,
                "compression": level.compression + 0.0,  # no negative nought
                "held_out": held[level.k].relevance,
                "step": held[level.k].step,
                "error": held[level.k].error,
                "p_value": held[level.k].p_value,
            }
            for level in hierarchy.levels
        ],
        "gains": [asdict(row) for row in count_templates(gains)],
        "tree": [
            {
                "k": split.k,
                "parent": split.parent,
                "child": split.k - 1,
                "size": split.size,
                "sizes": " + ".join(map(str, split.sizes)),
                "gain": split.gain,
                "local_gain": split.local_gain,
                "corrected_gain": gain.corrected_gain,
                "critical_beta": split.critical_beta,
            }
            for split, gain in zip(hierarchy.splits, gains, strict=True)
        ],
    }
