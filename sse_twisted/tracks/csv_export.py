"""A track as comma-separated values, for spreadsheets and programs of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sse_twisted.tracks.grid import usable
from sse_twisted.tracks.oao.decoding import Track
from sse_twisted.tracks.oao.layout import KNOT, NO_HDOP, Frames
from sse_twisted.tracks.spans import writable

AT_ONCE: Final = 4096  # rows of one piece of text

# Each column: its name, how it is written, the field of a frame, and what of it makes one of the named unit.
_COLUMNS: Final = (
    ("lat_deg", "%.7f", "latitude", 1e7),
    ("lon_deg", "%.7f", "longitude", 1e7),
    ("altitude_m", "%.3f", "altitude", 1e3),
    ("speed_m_s", "%.3f", "speed", 1e3),
    ("speed_kn", "%.3f", "speed", KNOT),
    ("course_deg", "%.5f", "heading", 1e5),
    ("fix", "%d", "fix", 1),
    ("satellites", "%d", "satellites", 1),
    ("speed_accuracy_m_s", "%.3f", "speed_accuracy", 1e3),
    ("horizontal_accuracy_m", "%.3f", "horizontal_accuracy", 1e3),
    ("vertical_accuracy_m", "%.3f", "vertical_accuracy", 1e3),
    ("course_accuracy_deg", "%.5f", "heading_accuracy", 1e5),
)
_ROW: Final = "%sZ," + ",".join(form for _, form, _, _ in _COLUMNS) + ",%s,%d\n"


def write_csv(track: Track) -> Iterator[str]:
    """Give the text of a CSV file in pieces: a row of names with units, then a row for every fix.

    `usable` is 1 where the device counts the fix for its bests; `hdop` is empty where there is none. Left out are fixes
    with no place on Earth or a date as far off as the year 9999.
    """
    yield ",".join(["utc", *(name for name, _, _, _ in _COLUMNS), "hdop", "usable"]) + "\n"
    frames = track.frames[writable(track.frames)]
    for first in range(0, len(frames), AT_ONCE):
        yield _rows(frames[first : first + AT_ONCE])


def _rows(frames: Frames) -> str:
    time = np.datetime_as_string(frames["utc"].astype("M8[ms]")).tolist()
    columns = [(frames[field] / unit).tolist() for _, _, field, unit in _COLUMNS]
    hdop = [f"{value / 100:.2f}" if value != NO_HDOP else "" for value in frames["hdop"].tolist()]
    return "".join(map(_ROW.__mod__, zip(time, *columns, hdop, usable(frames).tolist(), strict=True)))
