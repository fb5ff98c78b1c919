from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.runtime.spreadsheet import without_formulas

CELL = re.compile(r"[;,|\t\r\n]")
NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+49 170 1", "'+49 170 1"),
        ("+7", "'+7"),
        ("-5+1", "'-5+1"),
        ("Ada;=HYPERLINK(A1)", "Ada;'=HYPERLINK(A1)"),
        ("Ada; =1+1;-x", "Ada; '=1+1;'-x"),
        ("Ada\n=1+1", "Ada\n'=1+1"),
        ("Ada\t=1+1", "Ada\t'=1+1"),
        ("Ada|=1+1", "Ada|'=1+1"),
        ("\t=1+1", "'\t'=1+1"),
        ("\rAda", "'\rAda"),
        ("\N{FULLWIDTH EQUALS SIGN}1+1", "'\N{FULLWIDTH EQUALS SIGN}1+1"),
    ],
)
def test_a_formula_becomes_a_text(text: str, shown: str) -> None:
    assert without_formulas(text) == shown


@pytest.mark.parametrize(
    "text", ["", "Ada Weft", "ABC601XYZ", "Anne-Marie", "a = b", "it is on; restart it", "-5", "7;-3.25", "a@b.example"]
)
def test_other_texts_and_numbers_stay(text: str) -> None:
    assert without_formulas(text) == text


@given(st.text(alphabet="=+-@;,|\t\r\n '5.aé\"", max_size=20))
def test_no_part_of_a_text_begins_like_a_formula(text: str) -> None:
    shown = without_formulas(text)
    assert not shown.startswith(("\t", "\r", "\n"))
    for cell in map(str.strip, CELL.split(shown)):
        assert not cell.startswith(("=", "+", "-", "@")) or NUMBER.fullmatch(cell)
    assert shown.replace("'", "") == text.replace("'", "")
