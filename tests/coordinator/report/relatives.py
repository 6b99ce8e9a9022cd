"""Manifests as the stages would have left them, with results of the shapes that they conclude, and hostile text."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mycelium.manifest import INGEST, Manifest, Outcome, write_manifest
from mycelium.schema import Dataset, Provenance, Result
from mycelium.store import Store
from tests.builders import GSM8K

EVIL = "</script><script>document.body.dataset.evil = 1</script><b>"
UNTAUGHT = Provenance(GSM8K.name, GSM8K.origin)

RESULTS: Mapping[str, Result] = {
    "steps": {
        "levels": [{"level": n, "problems": 5, "segments_each": n + 2.0, "steps_each": n + 1.0} for n in (1, 2, 5)]
    },
    "labels": {
        "labels": [{"label": "add", "count": 40}, {"label": EVIL, "count": 2}],
        "roots": [{"label": "eq", "count": 42}],
        "refusals": [{"reason": "unclosed", "count": 3}],
    },
    "jsd": {"levels": [{"level": n, "problems": 5, "mean": n + 0.5, "deviation": 1.0} for n in (1, 2, 5)]},
    "templates": {
        "fit": [{"k": 3, "bound": 2.4, "held_out": 2.0}],
        "curve": [{"k": k, "relevance": k / 4, "held_out": k / 5} for k in (1, 2, 3)],
        "gains": [{"threshold": 0.3, "by_gain": 2, "paper": 6}],
        "tree": [{"k": k, "parent": 0, "gain": 0.5 / k, "corrected_gain": 0.4 / k} for k in (2, 3)],
        "templates": [{"template": i, "name": f"t{i}", "steps": 9 - i, "examples": EVIL} for i in range(3)],
        "examples": [{"template": 0, "rank": 1, "expression": "1 + 2"}],
    },
    "c2_pairs": {
        "totals": [{"problems": 15, "pairs": 14}],
        "splits": [{"split": "train", "problems": 11}, {"split": "test", "problems": 3}],
        "classes": [
            {"class": "add", "problems": 9, "weight": 0.5},
            {"class": "never", "problems": 0, "weight": None},
            {"class": "mul", "problems": 12, "weight": 0.2},
        ],
        "together": [{"class": "add", "with": "mul", "problems": 7}],
        "drops": [{"reason": "no_step", "count": 1}],
    },
    "c3_pairs": {
        "totals": [{"steps": 42, "pairs": 30}],
        "drops": [{"reason": "repeated", "count": 12, "share": 12 / 42}],
        "classes": [{"class": "add", "count": 30}],
    },
}
"""What each stage concludes, cut to what a page shows."""

READS: Mapping[str, Sequence[str]] = {
    INGEST: (),
    "extract": (INGEST,),
    "heartbeat": ("extract",),
    "jsd": ("extract",),
    "steps": (INGEST,),
    "labels": ("steps",),
    "templates": (INGEST, "steps", "labels"),
    "c2_pairs": (INGEST, "steps", "labels", "heartbeat"),
    "c3_pairs": (INGEST, "steps", "templates"),
}
"""What each stage reads, by stage."""

WRITES = {
    INGEST: "problems",
    "extract": "iaf",
    "heartbeat": "heartbeats",
    "jsd": "boundaries",
    "templates": "assignments",
}
"""The dataset of each stage that is not called as the stage is."""


def run_id(stage: str, digit: int = 0) -> str:
    """Return the id of a stage's run."""
    return f"gsm8k-{sum(map(ord, stage)) * 16 + digit:012x}"


def write_run(
    store: Store, stage: str, *, digit: int = 0, finished_s: float = 1.0, inputs: Sequence[str] = ()
) -> Manifest:
    """Write the manifest of a stage's run over the first runs of what it reads."""
    reads = tuple(inputs) or tuple(f"{WRITES.get(name, name)}/{run_id(name)}" for name in READS[stage])
    outcomes = (
        Outcome("00000", "done", n_problems=5, n_output=20, started_s=100.0, wall_s=0.5),
        Outcome("00001", "done", n_problems=5, n_output=22, started_s=100.2, wall_s=0.5, attempts=3, billed_ms=900),
        Outcome("00002", "failed", started_s=100.4, wall_s=0.1, error=EVIL, error_kind="KeyError"),
    )
    manifest = Manifest(
        run_id=run_id(stage, digit),
        provenance=GSM8K if stage in {"extract", "heartbeat", "jsd"} else UNTAUGHT,
        stage=stage,
        stage_version=1,
        params={},
        commit="test",
        executor="local",
        inputs=("../data/gsm8k.jsonl",) if stage == INGEST else reads,
        finished_s=finished_s,
        wall_s=1.0,
        complete=False,
        n_chunks=3,
        outcomes=outcomes,
        result=RESULTS.get(stage, {}),
    )
    write_manifest(store, manifest, (Dataset(WRITES.get(stage, stage), 1, "a row", ()),))
    return manifest


def write_all(store: Store) -> Manifest:
    """Write a run of every stage but those of attention, and return the last."""
    for stage in (INGEST, "jsd", "extract", "steps", "labels", "templates", "c2_pairs"):
        write_run(store, stage)
    return replace(write_run(store, "c3_pairs"), finished_s=2.0)
