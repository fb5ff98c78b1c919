"""A CSV file as spreadsheets save it: its encoding, delimiter, heading and rows."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from msgspec import Struct

from sse_twisted.runtime.text import NotUtf8, text_of

WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # .xlsx and .ods are zip files; .xls
SAVE_AS_CSV = "in Excel choose File > Save As, then 'CSV UTF-8 (Comma delimited)'"
DELIMITERS = (",", ";", "\t")
TITLE_LINES = 30  # that may stand above the heading
LONGEST_HEADING = 20_000  # characters that are read of a line that may be the heading
SIMILARITY = 0.75  # of two names of columns, so that one may be a misspelling of the other
BLANKS = {0xA0: " ", 0x2007: " ", 0x202F: " ", 0xFEFF: None, 0x200B: None}  # that no keyboard shows

Row = tuple[int, list[str]]  # the number of its last line, and its cells


class SheetError(ValueError):
    """The file has no table."""


class BadQuotes(ValueError):
    """Unbalanced quotes in the row that begins at `line`."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.is_open = "unexpected end" in text


class Sheet(Struct, frozen=True):
    """The text of a file, with its heading found."""

    text: str  # from the heading on
    delimiter: str
    heading: int  # its line, from 1
    code_page_from: int | None = None  # the first line that is not UTF-8: the file is read as Windows-1252

    def rows(self, *, without_quotes: bool = False) -> list[Row]:
        """Return the heading and each row below it that is not blank. Raises BadQuotes."""
        return [*_rows(self.text.replace('"', "") if without_quotes else self.text, self.delimiter, self.heading)]


def read_sheet(data: bytes, columns: Sequence[str]) -> Sheet:
    """Find the heading, which is the line that has most of `columns`. Raises SheetError.

    The text is UTF-8 or UTF-16, or else the Windows code page that spreadsheets fall back to. The first line may be
    "sep=;", which Excel reads as the delimiter.
    """
    if data.startswith(WORKBOOKS):
        raise SheetError(f"it is a workbook, not CSV: {SAVE_AS_CSV}")
    text, code_page_from = decoded(data)
    lines = [*islice(io.StringIO(text, newline=""), TITLE_LINES)]
    declared = re.fullmatch(r'"?sep=(.)"?[,;\t\s]*', lines[0], re.IGNORECASE) if lines else None
    first = 1 if declared else 0
    filled = [number for number, line in enumerate(lines) if number >= first and not _is_blank([line])]
    if not filled:
        raise SheetError("the file is empty")
    delimiters = (declared[1],) if declared and declared[1] not in '"\r\n' else DELIMITERS
    number, delimiter = max(
        ((number, delimiter) for number in filled for delimiter in delimiters),
        key=lambda place: (
            _known_columns(lines[place[0]], place[1], columns),
            -place[0],
            lines[place[0]].count(place[1]),
        ),
    )
    return Sheet(text[sum(map(len, lines[:number])) :], delimiter, number + 1, code_page_from)


def squashed(name: str) -> str:
    """Return the name of a column without case, blanks and punctuation: "Motion_ID" and "motion id" are the same."""
    return re.sub(r"[\W_]+", "", name).casefold()


def closest(name: str, columns: Iterable[str], synonyms: dict[str, str]) -> str | None:
    """Return which of the columns an unknown one may be meant for; `synonyms` are by squashed name."""
    by_squashed = {squashed(column): column for column in columns}
    if (meant := synonyms.get(squashed(name))) is not None:
        return meant if meant in by_squashed.values() else None
    similar = difflib.get_close_matches(squashed(name), by_squashed, n=1, cutoff=SIMILARITY)
    return by_squashed[similar[0]] if similar else None


def decoded(data: bytes) -> tuple[str, int | None]:
    """Return the text, and the first line that is not UTF-8 if it is read as Windows-1252."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace"), None
    if encoding := _utf16_without_mark(data[:1000]):
        return data.decode(encoding, errors="replace"), None
    try:
        return text_of(data), None
    except NotUtf8 as error:
        return data.removeprefix(codecs.BOM_UTF8).decode("cp1252", errors="replace"), error.line


def _utf16_without_mark(start: bytes) -> str:
    """Return the encoding of a text in which every other byte is NUL, since it is mostly ASCII; "" of any other."""
    half = len(start) // 2
    even, odd = start[::2].count(0), start[1::2].count(0)
    if half > 3 and max(even, odd) > 0.6 * half and min(even, odd) < 0.1 * half:
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def _known_columns(line: str, delimiter: str, columns: Sequence[str]) -> int:
    cells = {squashed(cell) for cell in next(csv.reader([line[:LONGEST_HEADING].strip()], delimiter=delimiter), [])}
    return sum(squashed(column) in cells for column in columns)


def _rows(text: str, delimiter: str, first: int) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 0
    try:
        for row in reader:
            line = reader.line_num
            cells = [(cell if cell.isascii() else cell.translate(BLANKS)).strip() for cell in row]
            if not _is_blank(cells):
                yield line + first - 1, cells
    except csv.Error as error:
        raise BadQuotes(line + first, str(error)) from None


def _is_blank(cells: list[str]) -> bool:
    """Whether a row is empty; a spreadsheet may write it with delimiters that are not those of the file."""
    return not any(cell.translate(BLANKS).strip(" \t\r\n,;") for cell in cells)
