"""The artifact: it comes back as it was, and refuses what it was not fitted to."""

import numpy as np
import pytest

from mycelium.errors import ChunkDamagedError, UserInputError
from mycelium.task import decode_part, encode_part
from mycelium.templates.chunks import read_chunk
from mycelium.templates.find import find_templates
from mycelium.templates.fitted import Fitted
from tests.mycelium.templates.world import PARAMS, ask_here, make_chunk, mark, set_vectors

CHUNKS = [make_chunk(i) for i in range(5)]
TABLE = find_templates(ask_here(CHUNKS), PARAMS)
FITTED = Fitted.from_table(TABLE)


def test_it_comes_back_as_it_was() -> None:
    again = Fitted.from_table(decode_part(encode_part(FITTED.to_table())))
    assert encode_part(again.to_table()) == encode_part(TABLE)
    np.testing.assert_array_equal(again.problems, FITTED.problems)
    assert again.report == FITTED.report


def test_a_step_s_row_comes_from_the_model_that_did_not_see_its_problem() -> None:
    chunk = read_chunk(CHUNKS[0])
    rows = FITTED.rows(chunk)
    for row, features, problem in zip(rows, chunk.features, chunk.problem_hashes(), strict=True):
        fold = int(FITTED.fold_of[FITTED.problems.tolist().index(int(problem))])
        np.testing.assert_array_equal(row, FITTED.folds[fold].predict(features[None])[0])


def test_a_new_problem_s_rows_come_from_the_model_of_all() -> None:
    chunk = read_chunk(make_chunk(99))
    assert not set(chunk.problem_hashes().tolist()) & set(FITTED.problems.tolist())
    np.testing.assert_array_equal(FITTED.rows(chunk), FITTED.estimator.predict(chunk.features))


def test_other_embeddings_are_refused_by_name() -> None:
    tables = make_chunk(0)
    with pytest.raises(UserInputError, match=r"fitted to embeddings by test v1 .*; got other v1"):
        FITTED.rows(read_chunk([*tables[:3], mark(tables[3], "other")]))
    short = set_vectors(tables, [vector[:4] for vector in tables[3]["embedding"].to_pylist()])
    with pytest.raises(UserInputError, match="6 numbers long"):
        FITTED.rows(read_chunk(short))


def test_no_steps_have_no_rows() -> None:
    empty = [table.slice(0, 0).replace_schema_metadata(table.schema.metadata) for table in CHUNKS[0]]
    assert FITTED.rows(read_chunk(empty)).shape == (0, 5)


def test_damaged_templates_are_refused() -> None:
    table = TABLE.set_column(0, "artifact", [[b"PK nothing"]])
    with pytest.raises(ChunkDamagedError):
        Fitted.from_table(table)
