"""Generation: chains of thought for problems that have none, as a file that `coordinator ingest` reads.

Input and output are files and not chunks: a problem without a chain of thought is no row of `problems`, whose chunks,
indices and splits are made once, by ingest, of what is finished. A model's chain says who wrote it (`author`), so that
ingest keeps the chains of several models apart.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gpu_workers.generation.chains import Chain, Engine
from gpu_workers.generation.journal import Journal
from gpu_workers.prompts import Prompt
from mycelium.errors import UserInputError
from mycelium.foreign.fields import Problem, understand_row
from mycelium.foreign.rows import Reject, read_rows
from mycelium.labels.answers import find_answer, same_answer
from mycelium.progress import show_progress

FROM_CHAIN = 80
"""A field that is solution in one collection and final answer in another is taken for the answer up to this length."""


@dataclass(slots=True)
class Input:
    """The problems of some files.

    Attributes:
        problems: by id, in the files' order.
        rejects: rows that can't be used, as ``file, line: reason``.
        duplicates: rows that came before.
    """

    problems: dict[str, Problem] = field(default_factory=dict)
    rejects: list[str] = field(default_factory=list)
    duplicates: int = 0


@dataclass(slots=True)
class Summary:
    """What came of a generation, that of earlier starts included.

    Attributes:
        problems: how many there are.
        counts: of the lines by `finish`: eos, length, skipped.
        right: lines whose answer is right, by level (0 where there is none).
        known: lines whose right answer is known, by level.
        failed: ids of problems that memory could not hold, to be tried again on another machine.
    """

    problems: int
    counts: Counter[str] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)
    known: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


def read_problems(files: Sequence[Path], fields: dict[str, str], limit: int | None = None) -> Input:
    """Read problems, with or without chains of thought; fields are recognised as in ingest.

    Raises:
        UserInputError: a file can't be read, or not one row is good.
    """
    found = Input()
    n_rows = 0
    for path in files:
        for row in read_rows(path):
            n_rows += 1
            if isinstance(row, Reject):
                found.rejects.append(f"{row.place.file}, line {row.place.line}: {row.reason}")
                continue
            problem = understand_row(
                row.values, fields, f"{path.name.partition('.')[0]}/{n_rows - 1}", needs_chain=False
            )
            if isinstance(problem, str):
                found.rejects.append(f"{row.place.file}, line {row.place.line}: {problem}")
            elif (before := found.problems.get(problem.problem_id)) is None:
                found.problems[problem.problem_id] = problem
            elif before.problem == problem.problem:
                found.duplicates += 1
            else:
                found.rejects.append(f"{row.place.file}, line {row.place.line}: another problem has its id")
            if len(found.problems) == limit:
                return found
    if not found.problems:
        raise UserInputError(f"no problem in {', '.join(map(str, files))}: {next(iter(found.rejects), 'no rows')}")
    return found


def know_answer(problem: Problem) -> str | None:
    r"""Return the right answer of a problem, if its row tells it.

    That is its own field, or the end of its solution (``\boxed``, ``####``), or the whole of that, where it is short
    and has no space in it: a field called `answer` is a solution in GSM8K, and elsewhere the final answer.
    """
    chain = problem.chain_of_thought
    short = chain if len(chain) <= FROM_CHAIN and len(chain.split()) == 1 else None
    return problem.answer or find_answer(chain) or short


def generate_chains(given: Input, engine: Engine, path: Path, max_new_tokens: int, *, quiet: bool = False) -> Summary:
    """Generate a chain of thought for each problem that has no line yet, and write the file when all are done.

    Problems go in batches of similar lengths, longest first. A problem that can't be shown to the model has a line too,
    with the reason and without a chain.

    Args:
        given: the problems.
        engine: who generates.
        path: the file of lines.
        max_new_tokens: tokens after which a chain is cut.
        quiet: show no progress.

    Raises:
        UserInputError: the file holds other lines, or another process is at it.
        StoreNotAvailableError: it can't be written.
    """
    summary = Summary(len(given.problems))
    marks = {"author": engine.identity, "max_new_tokens": max_new_tokens}
    with Journal(path, "problem_id", marks) as journal:
        _check_same(journal, given, path)
        pending = [problem for name, problem in given.problems.items() if name not in journal.done]
        prompts = {problem.problem_id: engine.encode(problem.problem) for problem in pending}
        good = []
        for problem in pending:
            reason = _refuse(prompts[problem.problem_id], engine.max_tokens)
            if reason:
                journal.append([_describe_skipped(problem, reason) | marks])
            else:
                good.append(problem)
        with show_progress("generate", len(good), unit="problems", counted="tokens", quiet=quiet) as progress:
            for places in _cut([len(prompts[problem.problem_id].ids) for problem in good], engine.batch_size):
                batch = [good[i] for i in places]
                chains = engine.generate([prompts[problem.problem_id].ids for problem in batch], max_new_tokens)
                done = [(each, chain) for each, chain in zip(batch, chains, strict=True) if chain is not None]
                journal.append(_describe(problem, chain) | marks for problem, chain in done)
                summary.failed += [each.problem_id for each, chain in zip(batch, chains, strict=True) if chain is None]
                progress.advance(len(done), sum(chain.n_tokens for _, chain in done))
                progress.advance(len(batch) - len(done), failed=True)
        _sum_up((msgspec.json.decode(journal.done[name]) for name in given.problems if name in journal.done), summary)
        if not summary.failed:
            journal.finish(list(given.problems))
    return summary


def _check_same(journal: Journal, given: Input, path: Path) -> None:
    """Refuse a file whose lines are of other problems by the same ids."""
    for name, line in journal.done.items():
        problem = given.problems.get(name)
        if problem is not None and msgspec.json.decode(line).get("problem") != problem.problem:
            raise UserInputError(f"{path} has a line for {name}, and its problem is another; give another file")


def _cut(lengths: list[int], batch_size: int) -> Iterator[list[int]]:
    """Cut places into batches of so many, by length, longest first."""
    by_length = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    for start in range(0, len(by_length), batch_size):
        yield by_length[start : start + batch_size]


def _refuse(prompt: Prompt, max_tokens: int) -> str | None:
    if prompt.refusal:
        return prompt.refusal
    if not prompt.ids:
        return "the problem has no tokens"
    if len(prompt.ids) >= max_tokens:
        return f"the problem has {len(prompt.ids)} tokens, and the model's context is {max_tokens}"
    return None


def _describe(problem: Problem, chain: Chain) -> dict[str, object]:
    known, found = know_answer(problem), find_answer(chain.text)
    return {
        **_name(problem),
        "chain_of_thought": chain.text,
        "final": known,
        "found": found,
        "right": None if known is None else found is not None and same_answer(found, known),
        "finish": chain.finish,
        "n_tokens": chain.n_tokens,
    }


def _describe_skipped(problem: Problem, reason: str) -> dict[str, object]:
    return {
        **_name(problem),
        "chain_of_thought": None,
        "final": know_answer(problem),  # not `answer`, which ingest would take for the chain that is missing
        "finish": "skipped",
        "reason": reason,
    }


def _name(problem: Problem) -> dict[str, object]:
    return {name: getattr(problem, name) for name in ("problem_id", "problem", "level", "subject", "origin")}


def _sum_up(rows: Iterable[dict[str, Any]], summary: Summary) -> None:
    for row in rows:
        summary.counts[row["finish"]] += 1
        level = row.get("level") or 0
        if row["finish"] != "skipped" and row.get("right") is not None:
            summary.known[level] += 1
            summary.right[level] += bool(row["right"])
