from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.runtime.text import (
    NotUtf8,
    duration,
    json_bytes,
    json_table,
    missing_of,
    one_line,
    plural,
    size,
    text_of,
)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 tracks"), (1, "1 track"), (2, "2 tracks"), (1204, "1,204 tracks"), (-1, "-1 tracks")]
)
def test_one_thing_is_singular(count: int, words: str) -> None:
    assert plural(count, "track") == words


def test_a_plural_may_be_another_word() -> None:
    assert [plural(count, "entry", "entries") for count in (1, 2)] == ["1 entry", "2 entries"]


def test_what_is_missing_agrees_with_all_that_is_wanted() -> None:
    assert [missing_of(1, wanted) for wanted in (1, 3)] == ["1 of 1 track missing", "1 of 3 tracks missing"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (99, "99 s"), (100, "2 min"), (5999, "100 min"), (6000, "1.7 h")]
)
def test_a_duration_has_two_or_three_digits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(0, "0 KB"), (12_345, "12 KB"), (3.4e6, "3.4 MB"), (2e9, "2.0 GB")])
def test_a_size_has_its_unit(count: float, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("text", "line"), [("a b", "a b"), ("a\r\nb", "a\\x0d\\x0ab"), ("x" * 121, "x" * 119 + "…"), ("é", "é")]
)
def test_a_line_is_printable_and_bounded(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_may_begin_with_a_byte_order_mark(mark: bytes) -> None:
    assert text_of(mark + "Zoë\n".encode()) == "Zoë\n"
    with pytest.raises(NotUtf8, match=r"^line 2: invalid UTF-8 \(byte 0xeb\)$") as error:
        text_of(mark + b"Ada\nZo\xeb\n")
    assert error.value.line == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
        max_leaves=20,
    )
)
def test_json_is_indented_as_by_python(tree: object) -> None:
    expected = json.dumps(tree, indent=2, ensure_ascii=False).encode("utf-8", errors="replace")
    assert json_bytes(tree) == expected + b"\n"


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()))
TEXT = st.text(st.characters(exclude_categories=()))


@given(st.dictionaries(TEXT, st.dictionaries(TEXT, PLAIN)))
def test_a_table_is_encoded_as_any_other_tree(rows: dict[str, dict[str, Any]]) -> None:
    assert json_table(rows) == json_bytes(rows)
