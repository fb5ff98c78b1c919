"""A track as GPX, for the programs that people analyse their speeds with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np

from sse_twisted.tracks.markup import xml_text
from sse_twisted.tracks.oao.decoding import Track
from sse_twisted.tracks.oao.layout import NO_HDOP, Frames
from sse_twisted.tracks.spans import breaks, writable

AT_ONCE: Final = 4096  # points of one piece of text, which is about a megabyte
FIXES: Final = {2: "2d", 3: "3d", 4: "3d"}  # u-blox; 4 is 3D helped by dead reckoning, all others are no fix

# Nothing about speed is left in GPX 1.1. Garmin's extension is what new programs read, the other name is what GpsarPro
# does: gps-wizard's advice is to write both. GPSBabel and older programs read neither, but the elements of GPX 1.0,
# which the Motion itself exports.
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
_POINTS: Final = {
    "1.1": (
        '%s<trkpt lat="%.7f" lon="%.7f"><ele>%.3f</ele><time>%sZ</time>'
        "<fix>%s</fix><sat>%d</sat>%s<extensions><gpxdata:speed>%.3f</gpxdata:speed>"
        "<gpxtpx:TrackPointExtension><gpxtpx:speed>%.3f</gpxtpx:speed><gpxtpx:course>%.5f</gpxtpx:course>"
        "</gpxtpx:TrackPointExtension></extensions></trkpt>\n"
    ),
    "1.0": (
        '%s<trkpt lat="%.7f" lon="%.7f"><ele>%.3f</ele><time>%sZ</time><course>%.5f</course><speed>%.3f</speed>'
        "<fix>%s</fix><sat>%d</sat>%s</trkpt>\n"
    ),
}
_NEW_SEGMENT: Final = "</trkseg>\n<trkseg>\n"


def write_gpx(track: Track, version: Literal["1.1", "1.0"] = "1.1") -> Iterator[str]:
    """Give the text of a GPX file in pieces, with every fix, usable or not, and a segment for each stretch of time.

    Speeds (m/s) and courses are those that the device measured. For programs that look for them where GPX 1.0 had them
    take that version: up to 1.8 at least GPSBabel hands on those of 1.1 in GPX, but has no speeds for other formats.
    Left out are fixes with no place on Earth or a date as far off as the year 9999, which no valid file can hold.
    """
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n{_ROOTS[version]}\n'
    yield f"<trk><name>{xml_text(_name(track))}</name>\n<trkseg>\n"
    frames = track.frames[writable(track.frames)]
    starts = breaks(frames)
    starts[:1] = False
    for first in range(0, len(frames), AT_ONCE):
        yield _points(frames[first : first + AT_ONCE], starts[first : first + AT_ONCE].tolist(), version)
    yield "</trkseg></trk>\n</gpx>\n"


def _name(track: Track) -> str:
    header = track.header
    return " ".join(filter(None, [str(header.identifier), header.nickname])) if header else "track without header"


def _points(frames: Frames, starts: list[bool], version: str) -> str:
    opening = [_NEW_SEGMENT if start else "" for start in starts]
    latitude = (frames["latitude"] / 1e7).tolist()
    longitude = (frames["longitude"] / 1e7).tolist()
    altitude = (frames["altitude"] / 1e3).tolist()
    time = np.datetime_as_string(frames["utc"].astype("M8[ms]")).tolist()
    speed = (frames["speed"] / 1e3).tolist()
    course = (frames["heading"] % 36_000_000 / 1e5).tolist()
    fix = [FIXES.get(kind, "none") for kind in frames["fix"].tolist()]
    satellites = frames["satellites"].tolist()
    hdop = [f"<hdop>{value / 100:.2f}</hdop>" if value != NO_HDOP else "" for value in frames["hdop"].tolist()]
    where = (opening, latitude, longitude, altitude, time)
    if version == "1.0":
        rows = zip(*where, course, speed, fix, satellites, hdop, strict=True)
    else:
        rows = zip(*where, fix, satellites, hdop, speed, speed, course, strict=True)
    return "".join(map(_POINTS[version].__mod__, rows))
