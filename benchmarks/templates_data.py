"""The real steps that `benchmarks.templates` runs on: labels, problems, and two embeddings, kept below .cache.

*n-grams*: TF-IDF of character 1- to 3-grams of the expression, truncated SVD to 256. *n-grams and teacher*: beside them
the hidden states of the sample teacher reading the expression alone, its last layer's mean over tokens and at the last
token, 512 more. The teacher is a small transformer that learnt generated word problems: real hidden states, of a weak
model.
"""

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import samples
from lambdas.stages.labels import LabelsParams, map_steps
from lambdas.stages.steps import StepsParams, map_chains
from mycelium.datasets import PROBLEMS

ROOT = Path(__file__).parents[1]
SOURCE = "math_visible.jsonl.gz"
N_SVD = 256
GRAMS, BOTH = "n-grams", "n-grams and teacher"
_SVD = """
import json, sys
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
texts = json.load(open(sys.argv[1]))
grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=5, sublinear_tf=True, max_features=20000)
svd = TruncatedSVD(int(sys.argv[3]), algorithm="randomized", n_iter=3, random_state=0)
np.save(sys.argv[2], svd.fit_transform(grams.fit_transform(texts)).astype(np.float32))
"""


def read_steps(data: Path) -> list[dict[str, Any]]:
    """Return the steps of MATH's solutions that bear a primary label, by the house's own stages."""
    path = data / SOURCE
    if not path.exists():
        sys.exit(f"the real data are not here: no {path}; say where with --data")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    problems = [
        {
            "problem_id": row["id"],
            "index": index,
            "problem": row["problem"],
            "chain_of_thought": row["solution"],
            "level": row["level"],
            "subject": row["subject"],
            "answer": row["answer"],
            "author": None,
        }
        for index, row in enumerate(rows)
    ]
    _, steps = map_chains([pa.Table.from_pylist(problems, schema=PROBLEMS.arrow_schema())], StepsParams())
    (labels,) = map_steps([steps], LabelsParams())
    columns = (steps["problem_id"], steps["expression"], labels["primary"])
    return [
        {"problem": problem, "expression": expression, "label": label}
        for problem, expression, label in zip(*(column.to_pylist() for column in columns), strict=True)
        if label is not None
    ]


def embed(texts: list[str], name: str, python: Path) -> npt.NDArray[np.float32]:
    """Return one embedding of the texts, a row each; made once, and kept."""
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    folder = ROOT / ".cache" / "bench-templates"
    folder.mkdir(parents=True, exist_ok=True)
    grams, states = folder / f"grams-{digest}.npy", folder / f"teacher-{digest}.npy"
    if not grams.exists():
        (folder / "texts.json").write_text(json.dumps(texts))
        part = folder / "part.npy"
        subprocess.run([python, "-c", _SVD, folder / "texts.json", part, str(N_SVD)], check=True)
        part.rename(grams)
    if name == GRAMS:
        return np.asarray(np.load(grams))
    if not states.exists():
        np.save(folder / "part.npy", read_with_teacher(texts))
        (folder / "part.npy").rename(states)
    left, right = np.load(grams), np.load(states)
    return np.concatenate([scale(left), scale(right)], axis=1)


def scale(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Centre features and give them a mean square length of 1, so that neither kind drowns the other in k-means."""
    away = features - features.mean(axis=0)
    return np.asarray(away / np.sqrt((away**2).sum(axis=1).mean()), np.float32)


def read_with_teacher(texts: list[str]) -> npt.NDArray[np.float32]:
    """Return the sample teacher's last hidden states of each text: mean over tokens, and the last token's."""
    import torch  # noqa: PLC0415 - only if the states are not there yet
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415 - as above

    tokenizer = AutoTokenizer.from_pretrained(str(samples.TEACHER_DIR))
    model = AutoModel.from_pretrained(str(samples.TEACHER_DIR), dtype=torch.float32).eval()
    torch.set_num_threads(1)
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    vectors: dict[str, npt.NDArray[np.float32]] = {}
    for start in range(0, len(distinct), 256):
        batch = distinct[start : start + 256]
        tokens = tokenizer(
            batch, return_tensors="pt", padding=True, truncation=True, max_length=256, padding_side="right"
        )
        with torch.inference_mode():
            states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(2)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        last = states[torch.arange(len(batch)), (mask.sum(dim=1)[:, 0] - 1).clamp(min=0)]
        vectors.update(zip(batch, torch.cat([mean, last], dim=1).numpy(), strict=True))
    return np.stack([vectors[text] for text in texts])
