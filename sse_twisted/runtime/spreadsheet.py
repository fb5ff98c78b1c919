"""Texts of other people in tables for spreadsheets, which run what looks like a formula."""

from __future__ import annotations

import re

# Spreadsheets split cells at the list separator of their country, and so inside of ours. Some accept full-width signs.
_SEPARATORS = r"[;,|\t\r\n]"
_CELL = re.compile(rf"(^|{_SEPARATORS})(\s*)(?=[=+\-@＝＋－＠])(?!-\d+(?:\.\d+)?(?:{_SEPARATORS}|$))")  # noqa: RUF001
_CONTROL = re.compile(r"^[\t\r\n]")


def without_formulas(text: str) -> str:
    """Return the text with an apostrophe before each part that a spreadsheet would read as a formula.

    So OWASP advises. A negative number stays a number.
    """
    return _CONTROL.sub(r"'\g<0>", _CELL.sub(r"\1\2'", text))
