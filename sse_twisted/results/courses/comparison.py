"""Our runs beside those in a results file of another program: what differs, and which line explains them. Blocks."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from sse_twisted.config.courses import RUN_LENGTH
from sse_twisted.results.courses.course_files import read_courses, read_facts, read_small, read_track, tracks_of
from sse_twisted.results.courses.fit import Fit, FitError, PublishedRun, fit_line
from sse_twisted.results.courses.gpsdata import GpsdataError, Row, read_rows, track_key
from sse_twisted.results.courses.path import path_of
from sse_twisted.results.courses.plane import Plane
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.formats import decode

MAX_FILE: Final = 16_000_000  # bytes of a results file; a day of 1,000 runs has 70 KB
NAME: Final = re.compile(r"GPSDATA_(\d{8})_([A-Za-z0-9-]+)\.csv", re.ASCII)


def named_in(file: Path) -> tuple[dt.date, str]:
    """Return the day and the course in the name of a results file. Raises GpsdataError."""
    match = NAME.fullmatch(file.name)
    try:
        if match:
            return dt.date.fromisoformat(match[1]), match[2]
    except ValueError:
        pass
    raise GpsdataError(f"{file}: pass --day and --course; the name is not GPSDATA_<YYYYMMDD>_<course>.csv")


def rows_in(file: Path) -> tuple[Row, ...]:
    """Return the rows of a results file. Raises GpsdataError or OSError."""
    data = read_small(file, MAX_FILE)
    if data is None:
        raise GpsdataError(f"{file}: no such file")
    try:
        return read_rows(data)
    except GpsdataError as error:
        raise GpsdataError(f"{file}: {error}") from None


def fit_file(root: Path, zone: dt.tzinfo, day: dt.date, course: str, rows: Sequence[Row]) -> Fit:
    """Return the line that explains the runs of a day, by its tracks. Raises FitError or OSError."""
    known = read_courses(root, day, {}).courses.get(course)
    length = (known.length if known else None) or RUN_LENGTH
    midnight = dt.datetime.combine(day, dt.time(), zone).timestamp() + 60 * read_facts(root).zone
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(track_key(row.file), []).append(row)
    tracks = [
        (decode(data, file.name), by_key[track_key(file.name)])
        for file in tracks_of(root, day)
        if track_key(file.name) in by_key and (data := read_track(root / file.local_file))
    ]
    plane = _plane([track for track, _ in tracks])
    runs = []
    for track, mine in tracks:
        path = path_of(track, plane)
        runs += [PublishedRun(path, row.duration, midnight + row.end) for row in mine]
    if len(runs) < len(rows) / 2:
        raise FitError(f"the tracks of only {len(runs)} of {len(rows)} runs are in {root}/gpslogs/{day:%Y%m%d}")
    return fit_line(runs, plane, length)


def _plane(tracks: Sequence[Track]) -> Plane:
    """Return a plane around the middle of the tracks."""
    middles = [
        (float(np.median(track.fixes.latitude)), float(np.median(track.fixes.longitude)))
        for track in tracks
        if len(track.fixes)
    ]
    if not middles:
        raise FitError("none of the tracks is in the event folder")
    latitude, longitude = np.median(np.array(middles), axis=0)
    return Plane((float(latitude), float(longitude)))
