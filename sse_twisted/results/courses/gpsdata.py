"""The file that the results software reads: the runs of one course on one day.

`gpsdata/<YYYYMMDD>/GPSDATA_<YYYYMMDD>_<course>.csv` has six columns and no heading, sorted by file and time:
number, file name, end time, duration in s, knots, course in degrees. The results software stops at a file that it does
not expect, so nothing else of ours may stand in that folder, unless its name begins with a dot.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from collections.abc import Iterable
from typing import Final

from attrs import frozen
from msgspec import Struct

from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.results.courses.runs import Run

FOLDER: Final = "gpsdata"
COLUMNS: Final = 6
NEAR: Final = 3.0  # s between the ends of what is the same run in two files
EQUAL_KNOTS, EQUAL_DEGREES = 0.0005, 0.05  # half of the last decimal in the file
# By how much published runs differ from the rule at most, with a decimal of the course and a second for rounding.
USUAL_KNOTS, USUAL_DEGREES, USUAL_SECONDS = 0.05, 0.15, 1


class GpsdataError(ValueError):
    """A file is not of runs."""


@frozen(order=True)
class Row:
    """A run in the file. `end` is in s after midnight, on the clock of the file."""

    file: str
    end: int
    duration: float  # s, 3 decimals
    knots: float  # 3 decimals
    course: float  # degrees, 1 decimal


class Difference(Struct, frozen=True):
    """One run in two files, or in one of them."""

    file: str
    end: int
    ours: Row | None
    theirs: Row | None

    @property
    def is_equal(self) -> bool:
        """Whether both files have the run, with figures that are the same after rounding."""
        one, other = self.ours, self.theirs
        if one is None or other is None:
            return False
        return one.end == other.end and abs(one.knots - other.knots) < EQUAL_KNOTS and self._off < EQUAL_DEGREES

    def is_within(self, knots: float) -> bool:
        """Whether both files have the run, with speeds at most so much apart, and a usual time and course."""
        one, other = self.ours, self.theirs
        if one is None or other is None:
            return False
        apart = round(abs(one.knots - other.knots), 3)
        return apart <= knots and abs(one.end - other.end) <= USUAL_SECONDS and self._off < USUAL_DEGREES

    @property
    def _off(self) -> float:
        if self.ours is None or self.theirs is None:
            return math.inf
        return abs((self.ours.course - self.theirs.course + 180) % 360 - 180)

    @property
    def knots(self) -> float | None:
        """By how much ours is faster; None if one file lacks the run."""
        return None if self.ours is None or self.theirs is None else self.ours.knots - self.theirs.knots


def path_of(day: dt.date, course: str) -> str:
    """Return the path of a course's file below the event folder."""
    return f"{FOLDER}/{day:%Y%m%d}/GPSDATA_{day:%Y%m%d}_{course}.csv"


def published_end(run: Run, rate: int) -> int:
    """Return the end of a run as it is published, in s since 1970; this reproduces 945 of 954 published times."""
    return math.floor(run.end - 0.5 / max(rate, 1))


def row_of(file: str, run: Run, rate: int, midnight: float) -> Row:
    """Return the row of a run; `midnight` in s since 1970 is that of the file's clock."""
    return Row(
        file,
        (published_end(run, rate) - round(midnight)) % 86_400,
        round(run.duration, 3),
        round(run.knots, 3),
        round(run.course, 1) % 360,
    )


def clock(seconds: int) -> str:
    """Return s after midnight as HH:MM:SS."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def write_rows(rows: Iterable[Row]) -> bytes:
    """Return the file, its rows sorted and numbered through."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    for number, row in enumerate(sorted(rows), 1):
        writer.writerow(
            (number, row.file, clock(row.end), f"{row.duration:.3f}", f"{row.knots:.3f}", f"{row.course:.1f}")
        )
    return table.getvalue().encode()


def read_rows(data: bytes) -> tuple[Row, ...]:
    """Read a file of ours or of another program. Raises GpsdataError with the number of the line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        return tuple(_row(cells) for cells in reader if any(cell.strip() for cell in cells))
    except (ValueError, csv.Error) as error:
        raise GpsdataError(f"line {reader.line_num}: {error}") from None


def _row(cells: list[str]) -> Row:
    if len(cells) != COLUMNS:
        raise ValueError(f"expected {COLUMNS} columns, got {len(cells)}")
    _, file, time, duration, knots, course = (cell.strip() for cell in cells)
    moment = dt.datetime.strptime(time, "%H:%M:%S")  # noqa: DTZ007 - the file does not name its zone
    figures = tuple(map(float, (duration, knots, course)))
    if not all(map(math.isfinite, figures)):
        raise ValueError("expected numbers")
    return Row(file, moment.hour * 3600 + moment.minute * 60 + moment.second, *figures)


def compare(ours: Iterable[Row], theirs: Iterable[Row], *, shift: int = 0) -> tuple[Difference, ...]:
    """Match the runs of two files by track and end; `shift` in s is added to the other file's times."""
    left: dict[str, list[Row]] = {}
    for row in sorted(theirs):
        left.setdefault(track_key(row.file), []).append(row)
    found = []
    for row in sorted(ours):
        candidates = left.get(track_key(row.file), [])
        closest = min(candidates, key=lambda other: abs(other.end + shift - row.end), default=None)
        if closest is not None and abs(closest.end + shift - row.end) < NEAR:
            candidates.remove(closest)
        else:
            closest = None
        found.append(Difference(row.file, row.end, row, closest))
    only_there = (Difference(row.file, row.end + shift, None, row) for rows in left.values() for row in rows)
    return tuple(sorted((*found, *only_there), key=lambda each: (each.file, each.end)))


def track_key(file: str) -> str:
    """Return what two names of one track share: device and start. Another program may have another File ID."""
    name = TrackName.parse(file)
    return f"{name.prefix.rpartition('_')[2]}_{name.stamp}" if name else file
