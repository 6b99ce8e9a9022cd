"""Export pairs for a trainer: kept ones only, each with its origin, in the splits of their twins.

Everything is written into a folder beside the one asked for, which takes its name when all is there: an export that was
cut off leaves nothing that could be taken for one.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from coordinator.pairs.card import write_card
from coordinator.pairs.sources import KINDS, Source, find_sources, read_names, read_object, read_splits
from coordinator.pairs.writers import SplitFiles
from lambdas.stages.c2_pairs import C2_PAIRS
from mycelium.errors import UserInputError
from mycelium.foreign.fields import CANDIDATES
from mycelium.foreign.rows import Reject, read_rows
from mycelium.manifest import digest
from mycelium.pairs.contamination import NGRAM, Evaluation
from mycelium.pairs.reading import check_ends, keep_pairs
from mycelium.pairs.stratify import SPLITS
from mycelium.schema import Result
from mycelium.store import Store
from mycelium.version import code_version

EXPORT_VERSION = 1
_TRAIN = SPLITS[0]
_C2_COLUMNS = ("problem_id", "level", "subject", "text", "taxonomy", "classes", "n_heartbeat", "n_step", "n_segment")
_C3_COLUMNS = ("problem_id", "level", "step", "taxonomy", "class", "prompt", "target", "eos", "tokenizer", "claim")
_C3_LISTS = ("operands", "origins", "sources")
# The bare expression is left out: whoever trained on it would train without the end of sequence.


@dataclass(frozen=True, slots=True)
class ExportParams:
    """What is exported, and how.

    Attributes:
        file_format: one of `coordinator.pairs.FORMATS`.
        allow_mix: the origins that may stand side by side.
        against: files of evaluation problems, which nothing in train may quote.
        ngram: words in a run that counts as a quotation.
    """

    file_format: str
    allow_mix: tuple[str, ...] = ()
    against: tuple[Path, ...] = ()
    ngram: int = NGRAM


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """What an export holds and where it comes from: ``export.json``.

    Attributes:
        kind: c2_pairs or c3_pairs.
        origins: the collections, in order of name.
        allow_mix: the origins that were allowed to stand side by side.
        runs: run of pairs and run of splits, each as ``dataset/run id``, and their origin.
        params: the parameters that all runs share.
        vocabulary: the classes, in the order of the vector; of C3 the classes that occur.
        pairs: pairs in each split.
        by_origin: pairs of each origin.
        dropped: problems or steps that are no pairs, by reason.
        divided_twins: groups that two of the runs had put into different splits; they take the first run's.
        without_split: pairs whose group has no split, left out.
        against: the SHA-256 of each of the evaluation's files, by name.
        evaluation_texts: texts in them.
        evaluation_unread: rows of them that hold no problem.
        ngram: words in a run that counts as a quotation.
        contaminated: pairs left out of train because they quote the evaluation; ``contamination.jsonl`` lists them.
        commit: the version of the code.
        files: the SHA-256 of each file.
        version: of this record's form.
    """

    kind: str
    origins: tuple[str, ...]
    allow_mix: tuple[str, ...]
    runs: tuple[dict[str, str], ...]
    params: dict[str, bool | int | float | str | None]
    vocabulary: tuple[str, ...]
    pairs: dict[str, int]
    by_origin: dict[str, int]
    dropped: dict[str, int]
    divided_twins: int
    without_split: int
    against: dict[str, str]
    evaluation_texts: int
    evaluation_unread: int
    ngram: int
    contaminated: int
    commit: str
    files: dict[str, str]
    version: int = EXPORT_VERSION


@dataclass(slots=True)
class _Work:
    """An export under way."""

    params: ExportParams
    vocabulary: tuple[str, ...]
    names: dict[str, str]
    splits: dict[int, str]
    evaluation: Evaluation
    by_origin: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    matches: list[bytes] = field(default_factory=list)
    without_split: int = 0


def export_pairs(store: Store, references: Sequence[str], out: Path, params: ExportParams) -> ExportRecord:
    """Write the pairs of some runs into a new folder.

    Args:
        store: where the runs are.
        references: runs of `c2_pairs`, or of `c3_pairs`.
        out: the folder to make; it must not be there, or be empty.
        params: see there.

    Returns:
        What was written, as it stands in the folder's ``export.json``.

    Raises:
        UserInputError: the runs can't be exported together, an evaluation's file holds no problem, or the folder is
            not empty.
        ChunkError: an object of a run is not what its manifest says.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserInputError(f"an export is written into a new folder, and {out} is there already")
    sources = find_sources(store, references, params.allow_mix)
    splits, n_divided = _join_splits([read_splits(store, source.splits) for source in sources])
    texts, n_unread = read_evaluation(params.against)
    names = read_names(store, sources[0].pairs)
    work = _Work(params, _join_vocabulary(sources, names), names, splits, Evaluation(texts, params.ngram))
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        record = _write_all(store, sources, folder, work, n_divided, n_unread)
        folder.chmod(0o755)  # mkdtemp's folder is its maker's alone
        folder.replace(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return record


def _write_all(
    store: Store, sources: Sequence[Source], folder: Path, work: _Work, n_divided: int, n_unread: int
) -> ExportRecord:
    kind = sources[0].pairs.stage
    origins = tuple(sorted({source.pairs.provenance.origin for source in sources}))
    said = {"dataset": kind, "origins": origins, "params": sources[0].pairs.params, "vocabulary": work.vocabulary}
    with SplitFiles(folder, work.params.file_format, msgspec.json.encode(said)) as files:
        for source in sources:
            for table in _read_pairs(store, source, work):
                for split, rows in _divide(table, kind, work):
                    files.write(split, rows)
    if work.params.against:
        (folder / "contamination.jsonl").write_bytes(b"".join(work.matches))
    record = ExportRecord(
        kind=kind,
        origins=origins,
        allow_mix=work.params.allow_mix,
        runs=tuple(_describe_source(source) for source in sources),
        params=sources[0].pairs.params,
        vocabulary=work.vocabulary,
        pairs=dict(files.counts),
        by_origin=dict(sorted(work.by_origin.items())),
        dropped=dict(sorted(work.dropped.items())),
        divided_twins=n_divided,
        without_split=work.without_split,
        against={path.name: digest(path.read_bytes()) for path in work.params.against},
        evaluation_texts=work.evaluation.n_text,
        evaluation_unread=n_unread,
        ngram=work.params.ngram,
        contaminated=len(work.matches),
        commit=code_version(),
        files={str(path.relative_to(folder)): digest(path.read_bytes()) for path in sorted(folder.rglob("*.*"))},
    )
    (folder / "export.json").write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
    write_card(folder / "README.md", msgspec.to_builtins(record), _tables_of(sources), _paths(files, folder))
    return record


def _paths(files: SplitFiles, folder: Path) -> dict[str, str]:
    return {split: str(files.paths[split].relative_to(folder)) for split in SPLITS if split in files.paths}


def _tables_of(sources: Sequence[Source]) -> dict[str, Result]:
    return {f"{source.pairs.provenance.origin} ({source.pairs.run_id})": source.pairs.result for source in sources}


def _describe_source(source: Source) -> dict[str, str]:
    return {
        "pairs": f"{source.pairs.stage}/{source.pairs.run_id}",
        "splits": f"c2_pairs/{source.splits.run_id}",
        "origin": source.pairs.provenance.origin,
        "commit": source.pairs.commit,
    }


def _join_splits(several: Sequence[dict[int, str]]) -> tuple[dict[int, str], int]:
    """Return one table of splits, where the first run's word counts, and how many groups had two."""
    joined: dict[int, str] = {}
    n_divided = 0
    for splits in several:
        n_divided += sum(joined.get(group, split) != split for group, split in splits.items())
        joined = splits | joined
    return joined, n_divided


def _join_vocabulary(sources: Sequence[Source], names: dict[str, str]) -> tuple[str, ...]:
    """Return the classes of all runs, in the order of the first that has them; of templates every one, by number."""
    met = (str(row["class"]) for source in sources for row in source.pairs.result["classes"])
    return tuple(dict.fromkeys(names.get(name, name) for name in (*sorted(names), *met)))


def read_evaluation(paths: Sequence[Path]) -> tuple[list[tuple[str, str]], int]:
    """Read the problems of an evaluation.

    Args:
        paths: JSON Lines or JSON, gzipped or not; the problem's field is recognised as at ingest.

    Returns:
        Place and text of each problem, and how many rows hold none.

    Raises:
        UserInputError: a file can't be read or holds no problem.
    """
    texts: list[tuple[str, str]] = []
    n_unread = 0
    for path in paths:
        before = len(texts)
        for row in read_rows(path):
            found = None if isinstance(row, Reject) else _first_text(row.values)
            if found is None:
                n_unread += 1
            else:
                texts.append((f"{path.name}:{row.place.line}", found))
        if len(texts) == before:
            raise UserInputError(f"{path} holds no problem: a row has one of the fields {CANDIDATES['problem']}")
    return texts, n_unread


def _first_text(values: dict[str, object]) -> str | None:
    found = (values.get(name) for name in CANDIDATES["problem"])
    return next((text for text in found if isinstance(text, str) and text.strip()), None)


def _read_pairs(store: Store, source: Source, work: _Work) -> Iterator[pa.Table]:
    """Yield the pairs of each chunk, with their origin; count the others by reason."""
    dataset = KINDS[source.pairs.stage]
    for _, ref in sorted(source.pairs.chunks(dataset.name).items()):
        table = read_object(store, ref, dataset, source.pairs)
        work.dropped.update(table["drop"].drop_null().to_pylist())
        kept = keep_pairs(table)
        if dataset is not C2_PAIRS:
            check_ends(kept["target"], str(source.pairs.params["eos"]))
        if work.names:
            kept = _name_classes(kept, dataset.name, work.names)
        origin = source.pairs.provenance.origin
        yield kept.append_column("origin", pa.array([origin] * kept.num_rows, pa.string()))


def _name_classes(table: pa.Table, kind: str, names: dict[str, str]) -> pa.Table:
    """Put the names of templates in the place of their numbers."""
    if kind == C2_PAIRS.name:
        classes = [sorted(names.get(name, name) for name in row) for row in table["classes"].to_pylist()]
        return _replace(table, "classes", classes)
    named = [names.get(name, name) for name in table["class"].to_pylist()]
    prompts = [f"[TEMPLATE: {name}] {text}" for name, text in zip(named, _texts_of(table, kind), strict=True)]
    return _replace(_replace(table, "class", named), "prompt", prompts)


def _replace(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, pa.array(values, table.schema.field(place).type))


def _divide(table: pa.Table, kind: str, work: _Work) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of each split as they are written, without those of train that quote the evaluation."""
    splits = [work.splits.get(group) for group in table["group"].to_pylist()]
    work.without_split += splits.count(None)
    texts = _texts_of(table, kind)
    for i, split in enumerate(splits):
        match = work.evaluation.find(texts[i]) if split == _TRAIN and work.params.against else None
        if match is not None:
            found = {"problem_id": table["problem_id"][i].as_py(), "origin": table["origin"][i].as_py()}
            found |= {"evaluation": match.evaluation, "words": match.words}
            work.matches.append(msgspec.json.encode(found) + b"\n")
            splits[i] = None
    chosen = table.append_column("split", pa.array(splits, pa.string()))
    for name in SPLITS:
        rows = chosen.filter(pc.equal(chosen["split"], name))
        work.by_origin.update(rows["origin"].to_pylist())
        yield name, _shape(rows, kind, work.vocabulary)


def _texts_of(table: pa.Table, kind: str) -> list[str]:
    """Return the problem's text of each row."""
    if kind == C2_PAIRS.name:
        texts: list[str] = table["text"].to_pylist()
        return texts
    named = zip(table["prompt"].to_pylist(), table["class"].to_pylist(), strict=True)
    return [prompt.removeprefix(f"[TEMPLATE: {name}] ") for prompt, name in named]


def _shape(rows: pa.Table, kind: str, vocabulary: Sequence[str]) -> pa.Table:
    """Return the columns of an export; of C2 with the vector of zeros and ones."""
    if kind != C2_PAIRS.name:
        return rows.select(["origin", *_C3_COLUMNS, *_C3_LISTS])
    place = {name: k for k, name in enumerate(vocabulary)}
    vectors = []
    for classes in rows["classes"].to_pylist():
        vector = [0] * len(place)
        for name in classes:
            vector[place[name]] = 1
        vectors.append(vector)
    shaped = rows.select(["origin", *_C2_COLUMNS])
    return shaped.append_column("vector", pa.array(vectors, pa.list_(pa.int8())))
