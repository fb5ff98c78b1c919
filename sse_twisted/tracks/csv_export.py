"""A track as comma-separated values, for spreadsheets and scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Final

import numpy as np

from sse_twisted.tracks.format import KNOT, NO_HDOP, Fixes, Track
from sse_twisted.tracks.grid import usable
from sse_twisted.tracks.spans import writable

BATCH_SIZE: Final = 4096  # fixes in one piece of text

# Each column: its name, its decimals, the column of the fixes, and the number that is one of the named unit.
_COLUMNS: Final = (
    ("lat_deg", 7, "latitude", 1),
    ("lon_deg", 7, "longitude", 1),
    ("altitude_m", 3, "altitude", 1e3),
    ("speed_m_s", 3, "speed", 1e3),
    ("speed_kn", 3, "speed", KNOT),
    ("course_deg", 5, "course", 1e5),
    ("fix", 0, "fix", 1),
    ("satellites", 0, "satellites", 1),
    ("speed_accuracy_m_s", 3, "speed_error", 1e3),
    ("horizontal_accuracy_m", 3, "horizontal_error", 1e3),
    ("vertical_accuracy_m", 3, "vertical_error", 1e3),
    ("course_accuracy_deg", 5, "course_error", 1e5),
)


def write_csv(track: Track) -> Iterator[str]:
    """Yield the text of a CSV file in pieces: a row of names with units, then a row for each fix.

    `usable` is 1 where the device counts the fix; a value that the track does not have is empty. Fixes without a
    position on Earth, or from the year 9999 on, are left out.
    """
    yield ",".join(["utc", *(name for name, _, _, _ in _COLUMNS), "hdop", "usable"]) + "\n"
    kept = writable(track.fixes)
    fixes, counted = track.fixes[kept], usable(track.fixes, track.rules)[kept].tolist()
    for first in range(0, len(fixes), BATCH_SIZE):
        yield _rows(fixes[first : first + BATCH_SIZE], counted[first : first + BATCH_SIZE])


def _rows(fixes: Fixes, counted: list[bool]) -> str:
    values: list[Iterable[object]] = [np.datetime_as_string(fixes.time.astype("M8[ms]")).tolist()]
    formats = ["%sZ"]
    for _, decimals, name, unit in _COLUMNS:
        column = getattr(fixes, name)
        formats.append("%s" if column is None else f"%.{decimals}f")
        values.append(repeat("", len(fixes)) if column is None else (column / unit).tolist())
    hdop = [NO_HDOP] * len(fixes) if fixes.hdop is None else fixes.hdop.tolist()
    values += [[f"{value / 100:.2f}" if value != NO_HDOP else "" for value in hdop], counted]
    row = ",".join([*formats, "%s", "%d"]) + "\n"
    return "".join(map(row.__mod__, zip(*values, strict=True)))
