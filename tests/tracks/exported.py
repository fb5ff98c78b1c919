"""Tracks to export, and what GPX says of them."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from sse_twisted.simulator.headers import encode_header, read_header
from sse_twisted.simulator.writer import seal, write_track
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.oao.layout import Frames
from tests.tracks.voyages import sail

GPX = {version: f"{{http://www.topografix.com/GPX/{version.replace('.', '/')}}}" for version in ("1.0", "1.1")}
GARMIN = "{http://www.garmin.com/xmlschemas/TrackPointExtension/v2}"
CLUETRUST = "{http://www.cluetrust.com/XML/GPXDATA/1/0}"


def track_of(frames: Frames, nickname: str = "WSW", timezone: int = 60) -> Track:
    """A sound track with these frames."""
    header = read_header(write_track(sail(1), identifier=601, nickname=nickname, timezone=timezone))
    frames = frames.copy()
    frames["mode"] = np.where(frames["utc"] % 1000, 0x0AD5, 0x0AD4)
    return decode(encode_header(header) + seal(frames))


def segments(gpx: str, version: str) -> list[list[ElementTree.Element]]:
    """The points of each segment."""
    root = ElementTree.fromstring(gpx)  # noqa: S314  # it is our own
    assert root.tag == f"{GPX[version]}gpx"
    return [list(segment) for segment in root.iter(f"{GPX[version]}trkseg")]


def points(gpx: str, version: str) -> list[ElementTree.Element]:
    """The points of all segments."""
    return [point for segment in segments(gpx, version) for point in segment]


def positions(found: list[ElementTree.Element]) -> list[tuple[int, int]]:
    """Latitude and longitude of each point in 1e-7 degrees."""
    return [(round(float(point.attrib["lat"]) * 1e7), round(float(point.attrib["lon"]) * 1e7)) for point in found]


def texts(found: list[ElementTree.Element], tag: str) -> list[str]:
    """The text of the one element of that tag in each point."""
    return [element.text or "" for point in found for element in point.iter(tag)]


def numbers(found: list[ElementTree.Element], tag: str, unit: float) -> list[int]:
    """What `texts` gives as whole numbers of a unit."""
    return [round(float(text) * unit) for text in texts(found, tag)]


def times(found: list[ElementTree.Element], version: str) -> list[int]:
    """The time of each point in ms UTC."""
    written = texts(found, f"{GPX[version]}time")
    assert all(text.endswith("Z") for text in written)
    return [int(value) for value in np.array([text[:-1] for text in written], "M8[ms]").astype(np.int64)]
