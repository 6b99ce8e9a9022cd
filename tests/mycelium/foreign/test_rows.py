"""Reading files from anywhere: good, bad and hostile."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycelium.errors import UserInputError
from mycelium.foreign import rows
from mycelium.foreign.rows import RawRow, Reject, read_rows

OBJECTS = st.lists(
    st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=5)), max_size=3),
    min_size=1,
    max_size=6,
)


def read(path: Path, data: bytes) -> list[RawRow | Reject]:
    path.write_bytes(data)
    return list(read_rows(path))


def values(found: list[RawRow | Reject]) -> list[dict[str, Any]]:
    return [row.values for row in found if isinstance(row, RawRow)]


def reasons(found: list[RawRow | Reject]) -> list[tuple[int, str]]:
    return [(row.place.line, row.reason) for row in found if isinstance(row, Reject)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(objects=OBJECTS, as_array=st.booleans(), zipped=st.booleans(), indent=st.sampled_from([None, 2]))
def test_every_form_gives_the_same_rows(
    tmp_path: Path, objects: list[dict[str, Any]], as_array: bool, zipped: bool, indent: int | None
) -> None:
    text = json.dumps(objects, indent=indent) if as_array else "\n\n".join(map(json.dumps, objects))
    data = gzip.compress(text.encode()) if zipped else text.encode()
    assert values(read(tmp_path / "file", data)) == objects


def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    data = b'{"a": 1}\nnot json\n[1]\n"text"\n{"a": 2\n\xff\xfe\n{"a": 3}\n'
    found = read(tmp_path / "file", data)
    assert values(found) == [{"a": 1}, {"a": 3}]
    assert [line for line, _ in reasons(found)] == [2, 3, 4, 5, 6]
    assert "not JSON" in reasons(found)[0][1]
    assert reasons(found)[1][1] == "a row is a JSON object; got list"
    assert {row.place.file for row in found} == {str(tmp_path / "file")}


def test_a_line_nested_too_deep_is_rejected(tmp_path: Path) -> None:
    found = read(tmp_path / "file", b'{"a":' * 100_000 + b"\n" + b'{"a": 1}\n')
    assert values(found) == [{"a": 1}]
    assert "nested too deep" in reasons(found)[0][1]


@pytest.mark.parametrize("nested", [b"[" * 300_000, b'{"a":' * 300_000, b'[{"a":' * 150_000])
def test_an_element_nested_too_deep_ends_the_array_and_takes_no_memory(tmp_path: Path, nested: bytes) -> None:
    tracemalloc.start()
    found = read(tmp_path / "file", b'[{"a": 1}, {"b": ' + nested)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values(found) == [{"a": 1}]
    assert reasons(found) == [(2, "not JSON: nested too deep; what follows is lost")]
    assert peak < 20_000_000


@pytest.mark.parametrize("data", [b'{"a": %s}\n{"a": 1}\n', b'[{"a": %s}, {"a": 1}]'])
def test_a_number_of_too_many_digits_is_rejected(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path / "file", data % (b"9" * 10_000))
    assert values(found) == [{"a": 1}]
    assert len(reasons(found)) == 1
    assert reasons(found)[0][1].startswith("not JSON: Exceeds the limit")


@pytest.mark.parametrize("data", [b'{"a": "%s"}\n', b'[{"a": "%s"}]'], ids=["line", "element"])
def test_a_gzip_bomb_of_one_row_is_one_reject_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(rows, "MAX_ROW_BYTES", 1 << 20)
    before, after = data.split(b"%s")
    with gzip.open(tmp_path / "bomb", "wb", compresslevel=1) as file:
        file.write(before)
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(after)
    assert (tmp_path / "bomb").stat().st_size < 1_000_000
    tracemalloc.start()
    (found,) = read_rows(tmp_path / "bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Reject)
    assert "is longer than 1 MiB" in found.reason
    assert peak < 16 << 20


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'[{"a": 1}] more', "the file goes on after the array: m"),
        (b'[{"a": 1},]', "Expecting value"),
        (b'[{"a": 1} {"a": 2}]', ", or ] is expected; got {"),
        (b'[{"a": 1}', ", or ] is expected; got the end"),
        (b'[{"a": 1}, {"a": \xff}]', "invalid start byte"),
        (b'[{"a": 1}, nonsense', "Expecting value"),
    ],
)
def test_an_array_that_is_none_says_where_it_breaks_off(tmp_path: Path, data: bytes, reason: str) -> None:
    found = read(tmp_path / "file", data)
    assert values(found) in ([{"a": 1}], [])
    assert reason in reasons(found)[-1][1]
    assert "what follows is lost" in reasons(found)[-1][1]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(elements=st.lists(JSON, max_size=6), block=st.integers(1, 40), indent=st.sampled_from([None, 1]))
def test_an_array_reads_alike_wherever_its_blocks_end(
    tmp_path: Path, elements: list[Any], block: int, indent: int | None
) -> None:
    (tmp_path / "file").write_text(json.dumps(elements, ensure_ascii=False, indent=indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK_BYTES", block)
        found = list(read_rows(tmp_path / "file"))
    assert values(found) == [element for element in elements if isinstance(element, dict)]
    assert [line for line, _ in reasons(found)] == [
        i for i, element in enumerate(elements, 1) if not isinstance(element, dict)
    ]


@pytest.mark.parametrize("number", ["0.0", "-1.25e-3", "1E+5", "12"])
@pytest.mark.parametrize("block", range(1, 9))
def test_a_number_that_a_block_ends_in_is_one_row(
    tmp_path: Path, number: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BLOCK_BYTES", block)
    found = read(tmp_path / "file", f'[{number},{{"a": {number}}},{number}]'.encode())
    assert values(found) == [{"a": float(number)}]
    assert [line for line, _ in reasons(found)] == [1, 3]


def test_a_number_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_ROW_BYTES", 1000)
    found = reasons(read(tmp_path / "file", b"[1." + b"0" * 200_000))
    assert [line for line, _ in found] == [1, 2]
    assert "breaks off here" in found[1][1]


def test_a_line_that_is_too_long_is_rejected_and_the_next_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_ROW_BYTES", 100)
    found = read(tmp_path / "file", b'{"a": "' + b"x" * 1000 + b'"}\n{"a": 1}\n')
    assert values(found) == [{"a": 1}]
    assert reasons(found)[0][0] == 1


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_truncated_gzip_stream_gives_what_can_be_read_and_says_so(tmp_path: Path, keep: float) -> None:
    lines = b"".join(json.dumps({"a": i, "text": str(i) * 50}).encode() + b"\n" for i in range(5000))
    packed = gzip.compress(lines)
    found = read(tmp_path / "file", packed[: int(len(packed) * keep)])
    assert 0 < len(values(found)) < 5000
    assert "the gzip stream breaks off here" in reasons(found)[-1][1]


def test_a_gzip_stream_with_a_changed_byte_is_rejected_there(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b'{"a": 1}\n' * 100))
    packed[-6] ^= 0xFF
    assert "breaks off" in reasons(read(tmp_path / "file", bytes(packed)))[-1][1]


def test_a_truncated_array_gives_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    found = read(tmp_path / "file", b'[{"a": 1}, {"a": 2}, 3, {"a"')
    assert values(found) == [{"a": 1}, {"a": 2}]
    assert reasons(found)[0] == (3, "a row is a JSON object; got int")
    assert reasons(found)[1][0] == 4
    assert "breaks off here" in reasons(found)[1][1]


@pytest.mark.parametrize(("data", "words"), [(None, "can't be read: No such file"), (b"", "is empty")])
def test_a_file_that_can_not_be_read_is_one_line(tmp_path: Path, data: bytes | None, words: str) -> None:
    path = tmp_path / "file"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserInputError, match=words):
        list(read_rows(path))


@pytest.mark.parametrize("as_array", [False, True])
def test_a_large_file_is_read_in_little_memory(tmp_path: Path, as_array: bool) -> None:
    path = tmp_path / "large"
    row = json.dumps({"problem": "p" * 500, "solution": "s" * 1500})
    with path.open("w") as file:
        file.write("[" if as_array else "")
        for i in range(20_000):
            file.write((",\n" if as_array else "\n") * (i > 0) + row)
        file.write("]" if as_array else "")
    tracemalloc.start()
    count = sum(1 for _ in read_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 2_000_000 < path.stat().st_size / 10


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=200), zipped=st.booleans())
def test_noise_is_rejected_and_never_a_crash(tmp_path: Path, data: bytes, zipped: bool) -> None:
    for row in read(tmp_path / "file", gzip.compress(data) if zipped else data):
        assert isinstance(row, RawRow | Reject)


def test_a_mistake_early_in_a_large_array_is_told_and_not_taken_for_a_long_element(tmp_path: Path) -> None:
    data = b'[{"problem": "p"}, {problem: "no quotes"}, ' + b'{"problem": "q"},' * (rows.MAX_ROW_BYTES // 16) + b"{}]"
    found = read(tmp_path / "file.json", data)
    assert values(found) == [{"problem": "p"}]
    ((line, reason),) = reasons(found)
    assert line == 2
    assert "Expecting property name" in reason
