"""GPX: what programs export, with or without speeds. Only the end tag shows that a file is whole.

Expat reads it piece by piece; a document with a DTD is refused, so no entity is ever expanded.
"""

from __future__ import annotations

import calendar
import re
from array import array
from collections.abc import Iterator
from typing import Any, Final
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.format import (
    NO_HDOP,
    UNFILTERED,
    UNKNOWN,
    Buffer,
    Damage,
    Device,
    Evidence,
    Fixes,
    Integrity,
    SpeedSource,
    Track,
    measured_rate,
)
from sse_twisted.tracks.positions import speeds_between
from sse_twisted.tracks.whole_files import WholeFileVerifier

NAME: Final = "gpx"
PIECE: Final = 64 * 1024  # bytes parsed at once
MAX_TOKEN: Final = 1024 * 1024  # bytes of a tag or a comment
MAX_DEPTH: Final = 64  # elements inside one another
MAX_TEXT: Final = 256  # characters of a value
MAX_POINTS: Final = 5_000_000
POINT_SIZE: Final = 150  # bytes, about
MAX_CREATOR: Final = 40  # characters
GPSBABEL: Final = "GPSBabel"
NO_VALUE: Final = float("nan")

_START: Final = re.compile(rb"(\xef\xbb\xbf)?\s*(<[?!](xml\b|DOCTYPE\b|--).*?)?<gpx\b", re.DOTALL)
_TIME: Final = re.compile(
    r"\s*(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?\s*(?:([+-])(\d\d):?(\d\d))?", re.ASCII
)
_VALUES: Final = {
    "time": "time",
    "ele": "altitude",
    "speed": "speed",
    "course": "course",
    "cog": "course",
    "sat": "satellites",
    "hdop": "hdop",
    "fix": "fix",
}
_NUMBERS: Final = ("latitude", "longitude", "speed", "course", "satellites", "hdop", "altitude", "fix")
_FIX_TYPES: Final = {"none": 0.0, "2d": 2.0, "3d": 3.0, "dgps": 3.0, "pps": 3.0}


class _Refused(Exception):
    """The document has what a track does not need, and what could harm its reader."""


class GpxFormat:
    """XML for exchange. It has no checksum, so nobody knows whether it was changed."""

    name = NAME
    extension = ".gpx"

    def recognises(self, start: bytes) -> bool:
        return _START.match(start) is not None

    def verifier(self) -> WholeFileVerifier:
        return WholeFileVerifier(lambda data: self.decode(data).integrity, _whole_to)

    def decode(self, data: Buffer) -> Track:
        data = bytes(data)
        document = _Document()
        if not self.recognises(data[:512]):
            return _track(document, Integrity(len(data), UNKNOWN))
        document.parse(data)
        damages = (document.damage,) if document.damage else ()
        integrity = Integrity(
            length=len(data),
            kind=NAME,
            fixes=len(document.time),
            damages=damages,
            damage_count=len(damages),
            whole=not damages,
        )
        return _track(document, integrity)


class _Document:
    """The points of a document that is parsed piece by piece."""

    def __init__(self) -> None:
        self.time = array("q")  # ms UTC
        self.offsets = array("q")
        self.numbers: dict[str, array[float]] = {name: array("d") for name in _NUMBERS}
        self.creator = ""
        self.damage: Damage | None = None
        self.without_time = 0  # points
        self._depth = 0
        self._point: dict[str, str] | None = None
        self._point_at = 0
        self._sound_to = 0
        self._text: list[str] | None = None
        self._locals: dict[str, str] = {}
        self._days: dict[str, int] = {}
        self._parser = parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_dtd
        parser.buffer_text = True

    def parse(self, data: bytes) -> None:
        """Parse all; `damage` says where it ended early."""
        parser = self._parser
        view = memoryview(data)
        try:
            for first in range(0, len(view), PIECE):
                piece = view[first : first + PIECE]
                parser.Parse(bytes(piece), False)
                if first + len(piece) - max(parser.CurrentByteIndex, 0) > MAX_TOKEN:
                    raise _Refused(f"a tag of more than {MAX_TOKEN:,} bytes")
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            is_cut = error.code in _CUT
            what = "cut: its end tag is missing" if is_cut else f"not well-formed ({expat.ErrorString(error.code)})"
            self._end_early(self._sound_to if is_cut else min(self._sound_to, parser.ErrorByteIndex), len(data), what)
        except _Refused as refused:
            self._end_early(max(parser.CurrentByteIndex, 0), len(data), str(refused))

    def _end_early(self, at: int, length: int, what: str) -> None:
        at = max(0, min(at, length - 1))
        self.damage = Damage(at, length - at, what)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(f"elements {MAX_DEPTH} deep")
        local = self._local(name)
        if self._point is not None:
            self._text = [] if local in _VALUES else None
        elif local == "trkpt":
            if len(self.time) >= MAX_POINTS:
                raise _Refused(f"more than {MAX_POINTS:,} points")
            self._point = {"latitude": attributes.get("lat", ""), "longitude": attributes.get("lon", "")}
            self._point_at = self._parser.CurrentByteIndex
        elif local == "gpx" and self._depth == 1:
            self.creator = "".join(filter(str.isprintable, attributes.get("creator", "")))[:MAX_CREATOR].strip()

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._point is None:
            return
        local = self._local(name)
        if local == "trkpt":
            self._take(self._point)
            self._point = None
            self._sound_to = self._parser.CurrentByteIndex
        elif self._text is not None and local in _VALUES:
            self._point.setdefault(_VALUES[local], "".join(self._text))
        self._text = None

    def _characters(self, text: str) -> None:
        if self._text is not None and len(self._text) < MAX_TEXT:
            self._text.append(text[:MAX_TEXT])

    def _refuse_dtd(self, *_: Any) -> None:
        raise _Refused("a document type declaration (DTD), which no track needs")

    def _local(self, name: str) -> str:
        """Return a name without its namespace."""
        local = self._locals.get(name)
        if local is None:
            local = name.rpartition(":")[2]
            if len(self._locals) < MAX_TEXT:
                self._locals[name] = local
        return local

    def _take(self, point: dict[str, str]) -> None:
        time = self._milliseconds(point.get("time", ""))
        latitude, longitude = _number(point["latitude"]), _number(point["longitude"])
        if time is None or not (abs(latitude) <= 90 and abs(longitude) <= 180):
            self.without_time += 1
            return
        self.time.append(time)
        self.offsets.append(self._point_at)
        for name, column in self.numbers.items():
            if name == "fix":
                column.append(_FIX_TYPES.get(point.get(name, "").strip().lower(), NO_VALUE))
            else:
                column.append(_number(point.get(name, "")))

    def _milliseconds(self, text: str) -> int | None:
        match = _TIME.match(text)
        if match is None:
            return None
        year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
        date = f"{year}{month}{day}"
        start = self._days.get(date)
        if start is None:
            if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(year)):
                return None
            start = self._days[date] = calendar.timegm((int(year), int(month), int(day), 0, 0, 0)) * 1000
        offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1) if sign else 0
        seconds = (int(hour) * 60 + int(minute) - offset) * 60 + int(second)
        return start + seconds * 1000 + int(((fraction or "") + "000")[:3])


_CUT: Final = {
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}


def _whole_to(data: bytes) -> int:
    """Return the length of a document that is closed; 0 of any other: a beginning is not whole by itself."""
    if not _START.match(data[:512]):
        return 0
    document = _Document()
    document.parse(data)
    return len(data) if document.damage is None else 0


def _number(text: str) -> float:
    try:
        return float(text[:MAX_TEXT])
    except ValueError:
        return NO_VALUE


def _track(document: _Document, integrity: Integrity) -> Track:
    numbers = {name: np.frombuffer(column, np.float64) for name, column in document.numbers.items()}
    time = np.frombuffer(document.time, np.int64)
    speed, has_speed = numbers["speed"], (numbers["speed"] >= 0) & (numbers["speed"] < 1e6)
    is_told = bool(has_speed.any())
    if not is_told:
        speed, has_speed = speeds_between(time, numbers["latitude"], numbers["longitude"])
    has_course = bool(np.isfinite(numbers["course"]).any())
    fix = np.nan_to_num(numbers["fix"], nan=3).astype(np.uint8)
    fixes = Fixes(
        time=time,
        latitude=numbers["latitude"],
        longitude=numbers["longitude"],
        speed=np.round(np.where(has_speed, speed, 0) * 1000).astype(np.int64),
        course=_column(numbers["course"], 1e5, 0) if np.isfinite(numbers["course"]).all() else None,
        satellites=_column(numbers["satellites"], 1, 0) if np.isfinite(numbers["satellites"]).any() else None,
        fix=np.where(has_speed, fix, np.uint8(0)),
        hdop=_column(numbers["hdop"], 100, NO_HDOP) if np.isfinite(numbers["hdop"]).any() else None,
        altitude=_column(numbers["altitude"], 1000, 0) if np.isfinite(numbers["altitude"]).any() else None,
    )
    return Track(
        fixes=fixes,
        integrity=integrity,
        offsets=np.frombuffer(document.offsets, np.int64),
        fix_size=max(1, integrity.length // len(time)) if len(time) else POINT_SIZE,
        rate=measured_rate(time),
        rules=UNFILTERED,
        # The rule of the Farrel Cup: speeds without courses are not Doppler.
        speeds=SpeedSource.DOPPLER if is_told and has_course else SpeedSource.POSITIONS,
        evidence=Evidence.AS_HANDED_IN,
        device=Device(document.creator),
        remarks=tuple(_remarks(document, lacks_courses=is_told and not has_course)),
    )


def _remarks(document: _Document, *, lacks_courses: bool) -> Iterator[str]:
    if document.without_time:
        yield f"{document.without_time:,} points without time or place, left out"
    if lacks_courses:
        yield "has speeds, but no courses: they are taken as made from positions"
    if document.creator.startswith(GPSBABEL) and len(document.time):
        yield f"was written by {GPSBABEL}, which makes speeds from positions where the file before had none"


def _column(values: NDArray[np.float64], unit: float, otherwise: int) -> NDArray[np.int64]:
    known = np.isfinite(values) & (np.abs(values) < 1e7)
    column: NDArray[np.int64] = np.where(known, np.round(np.where(known, values, 0) * unit), otherwise).astype(np.int64)
    return column
