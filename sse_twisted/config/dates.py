"""Dates and times of day as people and spreadsheets write them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable

from msgspec import Struct

BEHIND = r"(?:[T ]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?)Z?)?"  # a time of day behind a date
ISO = re.compile(rf"(\d{{4}})[-/.](\d\d)[-/.](\d\d){BEHIND}", re.ASCII)  # a cut date must not be another one
NUMERIC = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}|\d{{2}})\.?{BEHIND}", re.ASCII)
NAMED = re.compile(rf"(\d{{1,2}})[- ./]([A-Za-z]{{3,9}})\.?[- ./](\d{{4}}|\d{{2}}){BEHIND}", re.ASCII)
SERIAL = re.compile(r"([3-6]\d{4})(?:[.,]\d+)?", re.ASCII)  # days, in a cell of Excel that is formatted as a number
SERIAL_ORIGIN = datetime.date(1899, 12, 30)
TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0+)?)?(?: ?([AaPp])[Mm])?", re.ASCII)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
EXPECTED = "expected YYYY-MM-DD or DD/MM/YYYY"


class Order(Struct, frozen=True):
    """In which order a file writes day and month, with the lines that show it; each is None if no line does."""

    day_first: int | None = None
    month_first: int | None = None
    ambiguous: str = ""  # the first date that can be read both ways

    @property
    def is_month_first(self) -> bool:
        return self.month_first is not None and self.day_first is None

    @property
    def remark(self) -> tuple[int, str] | None:
        """What to tell of dates that could be read in another way, with its line; None if nothing."""
        if self.is_month_first:
            text = "dates have the month first, since the second number of this line is over 12"
            return self.month_first or 0, text
        if self.ambiguous and self.day_first is None and self.month_first is None:
            return 0, f"dates such as {self.ambiguous} are read with the day first; write YYYY-MM-DD to be certain"
        return None


def order_of(dates: Iterable[tuple[int, str]]) -> Order:
    """Return the order of all dates of a file, each with its line: a number over 12 is a day.

    Dates with points have the day first everywhere, and show nothing of the others.
    """
    day_first = month_first = None
    ambiguous = ""
    for line, text in dates:
        if (match := NUMERIC.fullmatch(text)) is None or match[2] == ".":
            continue
        first, second = int(match[1]), int(match[3])
        if first > 12 >= second:
            day_first = day_first or line
        elif second > 12 >= first:
            month_first = month_first or line
        elif first != second:
            ambiguous = ambiguous or text
    return Order(day_first, month_first, ambiguous)


def date_of(text: str, order: Order) -> datetime.date:
    """Read a date; raises ValueError with the reason."""
    try:
        year, month, day = _numbers(text, order)
        return datetime.date(year, month, day)
    except _Unreadable as error:
        raise ValueError(str(error)) from None
    except ValueError:
        raise ValueError("not in the calendar") from None


def time_behind(text: str) -> str:
    """Return the time of day behind a date; "" if there is none, or midnight."""
    for pattern in (ISO, NUMERIC, NAMED):
        if (match := pattern.fullmatch(text)) is not None:
            behind = match[match.lastindex] if match.lastindex == pattern.groups else ""
            return "" if not behind or re.match(r"0?0:00(:00(\.0+)?)?$|12:00(:00)? ?[Aa]", behind) else behind
    return ""


def time_of(text: str) -> datetime.time:
    """Read a time of day; raises ValueError with the reason."""
    if (match := TIME.fullmatch(text)) is None:
        raise ValueError("expected HH:MM or HH:MM:SS")
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if half := match[4]:
        if not 1 <= hour <= 12:
            raise ValueError("not a time of day")
        hour = hour % 12 + (12 if half in "Pp" else 0)
    try:
        return datetime.time(hour, minute, second)
    except ValueError:
        raise ValueError("not a time of day") from None


class _Unreadable(Exception):
    """A text that is no date, or may be several."""


def _numbers(text: str, order: Order) -> tuple[int, int, int]:
    """Return year, month and day, which may not be in the calendar; raises _Unreadable."""
    if match := ISO.fullmatch(text):
        return int(match[1]), int(match[2]), int(match[3])
    if match := NUMERIC.fullmatch(text):
        first, second = int(match[1]), int(match[3])
        if match[2] != "." and first != second:
            _check_order(first, order)
            if order.is_month_first:
                first, second = second, first
        return _year(match[4]), second, first
    if (match := NAMED.fullmatch(text)) and match[2][:3].casefold() in MONTHS:
        return _year(match[3]), MONTHS.index(match[2][:3].casefold()) + 1, int(match[1])
    if match := SERIAL.fullmatch(text):
        date = SERIAL_ORIGIN + datetime.timedelta(days=int(match[1]))
        return date.year, date.month, date.day
    raise _Unreadable(EXPECTED)


def _check_order(first: int, order: Order) -> None:
    """Refuse a date that may have either order, if the file has both; raises _Unreadable."""
    if order.day_first is not None and order.month_first is not None and first <= 12:
        lines = f"the day first on line {order.day_first}, but the month first on line {order.month_first}"
        raise _Unreadable(f"the file has {lines}; write YYYY-MM-DD")


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)
