"""The courses of a day, from `config/sessions/<YYYYMMDD>/courses.json`.

The file is the original's: times by course, further keys ignored. Our keys place the line and choose the rule.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from sse_twisted.config.validation_errors import key_and_reason
from sse_twisted.runtime.text import one_line, text_of

Point: TypeAlias = tuple[float, float]  # latitude and longitude in degrees

DEFAULT: Final = "Default"  # its keys count for each course that does not have them
COMMENT: Final = "Comment"
HOURS: Final = ("Start Time", "End Time")
RUN_LENGTH: Final = 500.0  # m
MIN_LINE, MAX_LINE = 2.0, 5_000.0  # m; lines of the field are 20 to 600 m long
MAX_OBLIQUE: Final = 75  # degrees between the direction and the normal of the line; runs are up to 41 off
SWING: Final = 15.0  # m; a buoy that moves further has dragged its anchor, or its device was taken off
MAX_NAME: Final = 40  # characters of a wrong name that are shown
MAX_MISTAKE: Final = 300
MAX_SHOWN: Final = 60  # characters of a wrong value, or of a line that is no JSON
_EXAMPLE: Final = '{"S1": {"Start Time": "10:00:00", "End Time": "16:01:00"}}'
MAX_HOURS: Final = 48  # 26:00:00 is 2 in the morning of the next day


class CoursesError(ValueError):
    """The whole file is unusable."""


class Finish(Enum):
    """What ends a run, if it is not a line."""

    ARC = "arc"  # the run's own length, as the crow flies
    ANYWHERE = "anywhere"  # there is no start line either: the best anywhere in the track


class Limits(Struct, frozen=True):
    """What makes a passage of the start line no run.

    Only the acceleration is documented by the field: 4 m/s² at 1 Hz, 7.5 at 5 Hz, 15 at 10 Hz. The others are inferred
    from 44 passages that were not published in 2022 and 2023, and hold for 982 of 983 that were.
    """

    gap: float = 2.5  # s without a fix
    speed: float = 3.0  # m/s at any fix
    acceleration: float | None = None  # m/s² between two fixes; None = by the rate of the track
    heading: float = 75.0  # degrees between a fix and the course of the run


class Line(Struct, frozen=True):
    """A straight line between two points that counts in one direction, in degrees true.

    The order of the points has no meaning: the direction alone tells on which side of the line a run begins.
    """

    ends: tuple[Point, Point]
    direction: float


class BuoyLine(Struct, frozen=True):
    """A line between two buoys that carry devices: their tracks of the day place it."""

    buoys: tuple[int, int]  # numbers of the devices
    direction: float


class Course(Struct, frozen=True):
    """A course of one day. Times are seconds after the local midnight with which the day begins, lengths m."""

    name: str
    opens: int | None = None
    closes: int | None = None  # the first second that does not count
    length: float | None = RUN_LENGTH  # m; None = as sailed, between two lines
    start: Line | BuoyLine | None = None  # None = not placed yet, or anywhere
    finish: Finish | Line = Finish.ARC
    limits: Limits = Limits()
    swing: float = SWING
    is_in_file: bool = True  # whether the file itself, without what was decided, has the hours

    @property
    def has_hours(self) -> bool:
        return self.opens is not None and self.closes is not None

    @property
    def has_times(self) -> bool:
        """Whether the results software knows the course's hours; it stops at a file of a course without."""
        return self.has_hours and self.is_in_file

    @property
    def buoys(self) -> tuple[int, ...]:
        return self.start.buoys if isinstance(self.start, BuoyLine) else ()


class Courses(Struct, frozen=True):
    """The courses of a file, and what is wrong with others (`mistakes`) or worth a look (`remarks`), by key."""

    courses: Mapping[str, Course]
    mistakes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class _Limits(Struct, forbid_unknown_fields=True):
    gap: float = field(name="Gap", default=Limits().gap)
    speed: float = field(name="Speed", default=Limits().speed)
    acceleration: float | None = field(name="Acceleration", default=None)
    heading: float = field(name="Heading", default=Limits().heading)


class _Entry(Struct):
    """A course as in the file."""

    opens: str | None = field(name="Start Time", default=None)
    closes: str | None = field(name="End Time", default=None)
    distance: float | None = field(name="Distance", default=None)
    line: tuple[Point, Point] | None = field(name="Start Line", default=None)
    direction: float | None = field(name="Direction", default=None)
    buoys: tuple[int | str, int | str] | None = field(name="Start Buoys", default=None)
    swing: float = field(name="Buoy Swing", default=SWING)
    finish: str | tuple[Point, Point] | None = field(name="Finish", default=None)
    limits: _Limits = field(name="Limits", default_factory=_Limits)


KEYS: Final = tuple(each.encode_name for each in msgspec.structs.fields(_Entry))
EXAMPLES: Final[Mapping[str, Any]] = {
    "Start Time": "10:00:00",
    "End Time": "16:01:00",
    "Distance": 500,
    "Start Line": ((50.57579, -2.45726), (50.57413, -2.46265)),
    "Direction": 334.2,
    "Start Buoys": (621, 754),
    "Buoy Swing": 15,
    "Finish": "arc",
    "Limits": {"Gap": 2.5},
}
_EXPECTED: Final = {
    "Start Time": "a time",
    "End Time": "a time",
    "Distance": "a number of metres",
    "Start Line": "two points, each latitude and longitude in degrees",
    "Direction": "a number of degrees",
    "Start Buoys": "the numbers of two devices",
    "Buoy Swing": "a number of metres",
    "Finish": "arc, anywhere or two points",
    "Limits": f"numbers of {', '.join(each.encode_name for each in msgspec.structs.fields(_Limits))}",
}
_IN_PLAIN_WORDS: Final = {  # of the errors of Python's JSON
    "Expecting value": "a value is missing, or a text is not in double quotes",
    "Expecting property name enclosed in double quotes": "a key in double quotes is missing, or a comma is too many",
    "Expecting ',' delimiter": "a comma or a closing bracket is missing before this",
    "Expecting ':' delimiter": "a colon is missing between a key and its value",
    "Illegal trailing comma before end of object": "a comma is too many",
    "Illegal trailing comma before end of array": "a comma is too many",
    "Extra data": "this is behind the closing bracket",
    "Unterminated string starting at": "a text has no closing quote",
    "Invalid control character at": "a text has no closing quote",
}


def parse_courses(data: bytes, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Courses:
    """Parse a `courses.json`. Raises CoursesError if it is no JSON object; a course with a mistake is left out.

    `changes` are keys by course that override those of the file; a course that the file does not have is added.
    """
    try:
        tree = json.loads(text_of(data), object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise CoursesError(_explained(error)) from None
    except (ValueError, RecursionError) as error:
        raise CoursesError(f"invalid JSON: {error}") from None
    if not isinstance(tree, dict):
        raise CoursesError(f"expected courses by name, such as {_EXAMPLE}")
    tree.pop(COMMENT, None)
    defaults = tree.pop(DEFAULT, {})
    courses: dict[str, Course] = {}
    mistakes, remarks = [], []
    in_file = dict(tree)
    for name, changed in (changes or {}).items():
        tree[name] = _overridden(tree.get(name, {}), changed)
    for name, entry in tree.items():
        try:
            if (twin := next((each for each in courses if each.casefold() == name.casefold()), None)) is not None:
                raise ValueError(f"differs from {twin} in case only: on some disks both have the same results file")
            courses[name] = replace(_course(name, entry, defaults), is_in_file=_has_hours(in_file.get(name), defaults))
        except (ValueError, RecursionError) as error:
            mistakes.append(one_line(f"{one_line(name, MAX_NAME)}: {error}", MAX_MISTAKE))
        remarks += [f"{one_line(name, MAX_NAME)}: {remark}" for remark in _misspelt(entry)]
    if defaults and not tree:
        remarks.append(f'{DEFAULT}: there is no course; add one, such as {{"S1": {{}}}}')
    return Courses(courses, tuple(mistakes), tuple(remarks))


def _explained(error: json.JSONDecodeError) -> str:
    """Return in plain words what is wrong with the text of a file, and where."""
    why = _IN_PLAIN_WORDS.get(error.msg, error.msg)
    rest = error.doc[error.pos :].partition("\n")[0].strip()
    where = f"line {error.lineno}, at {one_line(rest, MAX_SHOWN)!r}" if rest else f"line {error.lineno}, at its end"
    return f"{where}: {why}. An example: {_EXAMPLE}"


def _unexpected(error: msgspec.ValidationError, given: Mapping[str, Any]) -> str:
    """Return in plain words which key of a course is wrong, and what is expected."""
    path, _ = key_and_reason(error, _Entry)
    key = re.split(r"[.\[]", path)[0]
    example, value = (json.dumps(each, ensure_ascii=False) for each in (EXAMPLES[key], given.get(key)))
    return f"{key}: expected {_EXPECTED[key]}, such as {example}, not {one_line(value, MAX_SHOWN)}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of a key that stands twice, JSON would silently take the last one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"{twice!r} is there twice")
    return found


def _has_hours(entry: Any, defaults: Any) -> bool:
    hours = {key: each[key] for each in (defaults, entry) if isinstance(each, dict) for key in HOURS if key in each}
    return all(hours.get(key) is not None for key in HOURS)


def _overridden(entry: Any, changes: Mapping[str, Any]) -> Any:
    """Return an entry with changed keys; a line that is set takes the place of buoys, and buoys that of a line."""
    if not isinstance(entry, dict):
        return dict(changes)
    exclusive = {"Start Line", "Start Buoys"}
    dropped = exclusive if exclusive & changes.keys() else set()
    return {key: value for key, value in entry.items() if key not in dropped} | dict(changes)


def _misspelt(entry: Any) -> Iterator[str]:
    for key in entry if isinstance(entry, dict) else ():
        close = difflib.get_close_matches(key, KEYS, 1, 0.8)
        if key not in KEYS and close:
            yield f"{key!r} has no meaning; did you mean {close[0]!r}?"


def _course(name: str, entry: Any, defaults: Any) -> Course:
    """Read one course; raises ValueError with the key."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,20}", name):
        raise ValueError("invalid name: expected 1 to 20 letters, digits and hyphens, such as S1")
    for each in (entry, defaults):
        if not isinstance(each, dict):
            raise ValueError('expected keys in braces, such as {"Start Time": "10:00:00"}')
    try:
        read = msgspec.convert(given := defaults | entry, _Entry)
    except msgspec.ValidationError as error:
        raise ValueError(_unexpected(error, given)) from None
    opens, closes = (_clock(key, text) for key, text in zip(HOURS, (read.opens, read.closes), strict=True))
    if opens is not None and closes is not None and closes <= opens:
        raise ValueError(
            f"End Time: {read.closes} is not after Start Time {read.opens}; "
            "write 26:00:00 for 2 in the morning of the next day"
        )
    finish = _finish(read)
    start = None if finish is Finish.ANYWHERE else _start(read)
    if isinstance(finish, Line) and start is None:
        raise ValueError("Finish: a finish line needs a Start Line or Start Buoys")
    if not 0 < read.swing < MAX_LINE:
        raise ValueError(f"Buoy Swing: {read.swing:g} m is out of range: expected more than 0")
    length = _length(read.distance, finish)
    return Course(name, opens, closes, length, start, finish, _limits(read.limits), read.swing)


def _clock(key: str, text: str | None) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?", text.strip(), re.ASCII)
    hours, minutes, seconds = (int(each or 0) for each in match.groups()) if match else (MAX_HOURS, 0, 0)
    if hours >= MAX_HOURS:
        raise ValueError(f"{key}: invalid time {text!r}: expected HH:MM:SS, such as 10:00:00")
    return 3600 * hours + 60 * minutes + seconds


def _length(distance: float | None, finish: Finish | Line) -> float | None:
    if distance is None:
        return None if isinstance(finish, Line) else RUN_LENGTH
    if not 10 <= distance <= 100_000:
        raise ValueError(f"Distance: {distance:g} m is out of range: expected 10 to 100000")
    return distance


def _finish(read: _Entry) -> Finish | Line:
    if read.finish is None:
        return Finish.ARC
    if isinstance(read.finish, str):
        try:
            return Finish(read.finish.strip().lower())
        except ValueError:
            raise ValueError(f"Finish: invalid value {read.finish!r}: expected arc, anywhere or two points") from None
    return _line("Finish", read.finish, _direction(read))


def _start(read: _Entry) -> Line | BuoyLine | None:
    if read.line is not None and read.buoys is not None:
        raise ValueError("Start Line and Start Buoys exclude each other: keep one of them")
    if read.line is not None:
        return _line("Start Line", read.line, _direction(read))
    if read.buoys is not None:
        return BuoyLine(_buoys(read.buoys), _direction(read))
    return None


def _buoys(given: tuple[int | str, int | str]) -> tuple[int, int]:
    try:
        one, other = map(int, given)
    except ValueError:
        raise ValueError(f"Start Buoys: expected the numbers of two devices, got {list(given)}") from None
    if one == other or min(one, other) < 1:
        raise ValueError(f"Start Buoys: expected two devices, got {list(given)}")
    return one, other


def _direction(read: _Entry) -> float:
    if read.direction is None or not math.isfinite(read.direction):
        raise ValueError("Direction: missing; it is the course of a run across the line, in degrees true")
    if not -360 <= read.direction <= 360:
        raise ValueError(f"Direction: {read.direction:g} is out of range: expected degrees true, 0 to 360")
    return read.direction % 360


def _line(key: str, ends: tuple[Point, Point], direction: float) -> Line:
    for latitude, longitude in ends:
        if not (abs(latitude) < 89 and abs(longitude) <= 180):
            raise ValueError(f"{key}: invalid position [{latitude}, {longitude}]: expected latitude, longitude")
    length = rough_distance(*ends)
    if not MIN_LINE <= length <= MAX_LINE:
        raise ValueError(f"{key}: its points are {length:,.0f} m apart; expected {MIN_LINE:g} to {MAX_LINE:,.0f} m")
    (south, east), (north, west) = ends
    bearing = math.degrees(math.atan2((west - east) * math.cos(math.radians(south)), north - south))
    if abs((direction - bearing) % 180 - 90) > MAX_OBLIQUE:
        raise ValueError(f"Direction: {direction:g} is along the line of {key}; expected the course across it")
    return Line(ends, direction)


def _limits(read: _Limits) -> Limits:
    for limit in msgspec.structs.fields(_Limits):
        value = getattr(read, limit.name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"Limits.{limit.encode_name}: {value:g} is out of range: expected more than 0")
    return Limits(read.gap, read.speed, read.acceleration, read.heading)


def rough_distance(one: Point, other: Point) -> float:
    """Return the metres between two points on a sphere; right to 0.6 %."""
    (south, east), (north, west) = one, other
    half = math.radians(north - south) / 2, math.radians(west - east) / 2
    chord = math.sin(half[0]) ** 2 + math.cos(math.radians(south)) * math.cos(math.radians(north)) * (
        math.sin(half[1]) ** 2
    )
    return 2 * 6_371_000 * math.asin(min(1.0, math.sqrt(chord)))
