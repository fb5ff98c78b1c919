"""A track as GPX, for programs that analyse speeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Final, Literal, TypeAlias

import numpy as np

from sse_twisted.tracks.format import NO_HDOP, Column, Fixes, Track
from sse_twisted.tracks.markup import xml_text
from sse_twisted.tracks.spans import breaks, writable

Version: TypeAlias = Literal["1.1", "1.0"]

BATCH_SIZE: Final = 4096  # fixes in one piece of text, about a megabyte
FIXES: Final = {2: "2d", 3: "3d", 4: "3d"}  # u-blox; 4 is 3D with dead reckoning, all others mean no fix

# GPX 1.1 itself has no speeds. New programs read Garmin's extension, GpsarPro the other one; gps-wizard advises to
# write both. GPSBabel and older programs read neither, only the elements of GPX 1.0, which loggers export.
_ROOTS: Final = {
    "1.1": (
        '<gpx version="1.1" creator="sse_twisted" xmlns="http://www.topografix.com/GPX/1/1"'
        ' xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2"'
        ' xmlns:gpxdata="http://www.cluetrust.com/XML/GPXDATA/1/0"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:schemaLocation="http://www.topografix.com/GPX/1/1 http://www.topografix.com/GPX/1/1/gpx.xsd'
        " http://www.garmin.com/xmlschemas/TrackPointExtension/v2"
        ' http://www.garmin.com/xmlschemas/TrackPointExtensionv2.xsd">'
    ),
    "1.0": (
        '<gpx version="1.0" creator="sse_twisted" xmlns="http://www.topografix.com/GPX/1/0"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:schemaLocation="http://www.topografix.com/GPX/1/0 http://www.topografix.com/GPX/1/0/gpx.xsd">'
    ),
}
_POINT: Final = '%s<trkpt lat="%.7f" lon="%.7f">%s<time>%sZ</time>'
_POINT_1_0: Final = _POINT + "%s<speed>%.3f</speed>%s%s%s</trkpt>\n"
_POINT_1_1: Final = _POINT + (
    "%s%s%s<extensions><gpxdata:speed>%.3f</gpxdata:speed><gpxtpx:TrackPointExtension>"
    "<gpxtpx:speed>%.3f</gpxtpx:speed>%s</gpxtpx:TrackPointExtension></extensions></trkpt>\n"
)
_NEW_SEGMENT: Final = "</trkseg>\n<trkseg>\n"


def write_gpx(track: Track, version: Version = "1.1") -> Iterator[str]:
    """Yield the text of a GPX file in pieces: every fix, usable or not, and a new segment after each break.

    Speeds (m/s) and courses are those of the track. GPX 1.0 is for programs that read speeds only there: GPSBabel, at
    least up to 1.8, keeps the speeds of GPX 1.1 in GPX, but loses them in other formats. Fixes without a position on
    Earth, or from the year 9999 on, are left out: no valid file can hold them.
    """
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n{_ROOTS[version]}\n'
    yield f"<trk><name>{xml_text(_name(track))}</name>\n<trkseg>\n"
    fixes = track.fixes[writable(track.fixes)]
    starts = breaks(fixes.time)
    starts[:1] = False
    for first in range(0, len(fixes), BATCH_SIZE):
        yield _points(fixes[first : first + BATCH_SIZE], starts[first : first + BATCH_SIZE].tolist(), version)
    yield "</trkseg></trk>\n</gpx>\n"


def _name(track: Track) -> str:
    header = track.header
    if header is None:
        return track.device.model or "track without header"
    return " ".join(filter(None, [str(header.identifier), header.nickname]))


def _points(fixes: Fixes, starts: list[bool], version: Version) -> str:
    opening = [_NEW_SEGMENT if start else "" for start in starts]
    time = np.datetime_as_string(fixes.time.astype("M8[ms]")).tolist()
    latitude, longitude, speed = fixes.latitude.tolist(), fixes.longitude.tolist(), (fixes.speed / 1e3).tolist()
    where = (opening, latitude, longitude, _elements("<ele>%.3f</ele>", fixes.altitude, 1e3), time)
    tag = "course" if version == "1.0" else "gpxtpx:course"
    heading = None if fixes.course is None else fixes.course % 36_000_000
    course = _elements(f"<{tag}>%.5f</{tag}>", heading, 1e5)
    quality = (
        repeat("") if fixes.fix is None else [f"<fix>{FIXES.get(kind, 'none')}</fix>" for kind in fixes.fix.tolist()],
        _elements("<sat>%d</sat>", fixes.satellites, 1),
        _elements("<hdop>%.2f</hdop>", fixes.hdop, 1e2, without=NO_HDOP),
    )
    if version == "1.0":
        return "".join(map(_POINT_1_0.__mod__, zip(*where, course, speed, *quality, strict=False)))
    return "".join(map(_POINT_1_1.__mod__, zip(*where, *quality, speed, speed, course, strict=False)))


def _elements(element: str, column: Column | None, unit: float, without: int | None = None) -> Iterable[str]:
    """Return an element for each fix; none where the track has no such column, or the value is `without`."""
    if column is None:
        return repeat("")
    return ["" if value == without else element % (value / unit) for value in column.tolist()]
