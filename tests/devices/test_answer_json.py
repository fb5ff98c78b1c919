"""JSON of a device, within bounds."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.devices.answer_json import (
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_KEYS,
    MAX_TEXT,
    MAX_VALUES,
    parse_json,
    stored_json,
)
from sse_twisted.devices.errors import BadAnswer, WebPage
from sse_twisted.runtime.text import json_bytes

NONSENSE = {
    "numbers": (b"[" + b"1," * 4_000_000 + b"1]", "has more than 20,000 entries"),
    "lists": (b"[" + b"[]," * 2_600_000 + b"[]]", "has more than 20,000 entries"),
    "objects": (b"[" + b"{}," * 2_600_000 + b"{}]", "has more than 20,000 entries"),
    "texts": (b"[" + b'"",' * 2_600_000 + b'""]', "has more than 20,000 entries"),
    "keys": (json.dumps({str(key): key for key in range(500_000)}).encode(), "has more than 1,000 keys in one object"),
    "lists of lists": (b"[" + (b"[" + b"0," * 15_000 + b"0],") * 260 + b"0]", "has more than 250,000 values"),
    "blanks": (b" " * 8_000_000, "is not valid JSON: Expecting value"),
    "NULs": (bytes(8_000_000), "is not valid JSON: Expecting value"),
    "no UTF-8": (b"\xff" * 8_000_000, "is not valid JSON: Expecting value"),
    "digits": (b"1" * 8_000_000, "is not valid JSON: Exceeds the limit"),
    "depth": (b"[" * 8_000_000, "is nested too deeply"),
    "depth of objects": (b'{"a":' * 1_000_000, "is nested too deeply"),
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("name", NONSENSE)
def test_eight_megabytes_of_nonsense_are_refused_at_the_first_bound(name: str) -> None:
    data, why = NONSENSE[name]
    with pytest.raises(BadAnswer) as refused:
        parse_json(data, "logs.json")
    assert str(refused.value).startswith(f"logs.json {why}")


def test_of_nonsense_only_the_beginning_is_decoded() -> None:
    decoded: list[str] = []

    class Text(str):
        def __getitem__(self, at: Any) -> str:
            decoded.append("")
            return super().__getitem__(at)

    from sse_twisted.devices.answer_json import _BoundedDecoder, _TooMuch

    with pytest.raises(_TooMuch):
        _BoundedDecoder().raw_decode(Text("[" + "1," * 4_000_000 + "1]"))
    assert MAX_ENTRIES < len(decoded) < 10 * MAX_ENTRIES


@given(VALUES)
def test_what_is_within_the_bounds_is_read_as_by_any_other_decoder(value: Any) -> None:
    text = json.dumps(value)
    assert parse_json(text.encode(), "it") == json.loads(text)


@pytest.mark.parametrize(
    ("longest", "why"),
    [
        ([0] * MAX_ENTRIES, "more than 20,000 entries"),
        ({str(key): 0 for key in range(MAX_KEYS)}, "more than 1,000 keys in one object"),
    ],
)
def test_each_bound_is_itself_allowed(longest: Any, why: str) -> None:
    assert parse_json(json.dumps(longest).encode(), "it") == longest
    more = [*longest, 0] if isinstance(longest, list) else longest | {"more": 0}
    with pytest.raises(BadAnswer, match=why):
        parse_json(json.dumps(more).encode(), "it")


def test_sixteen_levels_are_read_and_seventeen_are_not() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "it")
    with pytest.raises(BadAnswer, match="nested too deeply"):
        parse_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "it")


def test_all_values_together_are_bounded() -> None:
    lists = [[0] * 999] * (MAX_VALUES // 1000)
    parse_json(json.dumps(lists).encode(), "it")
    with pytest.raises(BadAnswer, match="more than 250,000 values"):
        parse_json(json.dumps([*lists, [0]]).encode(), "it")


@given(VALUES)
def test_what_is_stored_is_what_was_read(value: Any) -> None:
    stored = stored_json(value)
    assert json.loads(stored) == value
    assert parse_json(stored, "info.json") == value


def test_half_of_a_surrogate_pair_is_replaced_where_it_is_stored() -> None:
    tree = parse_json(b'{"logs": ["\\ud800"], "motion": "\\ud800"}', "logs.json")
    assert json.loads(stored_json(tree)) == {"logs": ["?"], "motion": "\ufffd"}


def test_it_is_stored_as_the_original_server_does() -> None:
    tree = {"motion": {"nickname": "Jürg\u2028", "levels": [1, 2.5, None, True, {}, []], "number": 2**70}}
    assert stored_json(tree) == json_bytes(tree) == json.dumps(tree, indent=2, ensure_ascii=False).encode() + b"\n"


def test_a_long_text_is_cut() -> None:
    read = parse_json(json.dumps({"spot": "a" * 1_000_000, "wind": "b" * MAX_TEXT}).encode(), "it")
    assert read == {"spot": "a" * (MAX_TEXT - 1) + "…", "wind": "b" * MAX_TEXT}


def test_a_letter_across_two_steps_of_the_decoder_is_whole() -> None:
    for before in range(4):
        text = " " * (64 * 1024 - before) + json.dumps({"spot": "é€🏄"}, ensure_ascii=False)
        assert parse_json(text.encode(), "it") == {"spot": "é€🏄"}
        assert parse_json(text.encode("utf-16"), "it") == {"spot": "é€🏄"}


def test_another_value_is_found_after_much_filling() -> None:
    with pytest.raises(BadAnswer, match="another value follows the first one"):
        parse_json(b'{"logs": []}' + bytes(1_000_000) + b'{"logs": [5]}', "it")
    assert parse_json(b'{"logs": []}' + bytes(1_000_000) + b"]}", "it") == {"logs": []}


def test_a_web_page_is_told_from_other_nonsense() -> None:
    with pytest.raises(WebPage, match="is a web page, not JSON"):
        parse_json(b"\r\n <!doctype html>" + b"<p>" * 1_000_000, "it")


def test_mutated_answers_raise_nothing_but_bad_answer() -> None:
    chance = random.Random(13)
    sound = json.dumps({"logs": [{"file": "/a.oao", "size": 1536, "spot": "é", "n": [1.5, None, True]}] * 3}).encode()
    pieces = [b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"\xff", b"\0", b"1e999", b"NaN", b"\\ud800", b"-"]
    refused = 0
    for _ in range(3_000):
        data = bytearray(sound)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(4)] = chance.choice(pieces)
        try:
            parse_json(bytes(data), "it")
        except BadAnswer:
            refused += 1
    assert 0 < refused < 3_000
