"""Event folders with courses and tracks, made up or published."""

from __future__ import annotations

import csv
import datetime as dt
import json
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sse_twisted.config.assignment import Assignment
from sse_twisted.results.courses.computation import Computation, Job, in_turn
from sse_twisted.results.courses.course_files import courses_path
from sse_twisted.results.courses.track_runs import TrackRuns
from sse_twisted.simulator.writer import write_track
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.oao.layout import FRAME
from tests.results.courses.sailing import LINE

DAY = dt.date(2023, 10, 7)
ZONE = dt.timezone(dt.timedelta(hours=1))
S1: dict[str, Any] = {
    "Start Time": "10:00",
    "End Time": "16:00",
    "Start Line": [list(end) for end in LINE.ends],
    "Direction": 0,
}
NAME = "ABC{0}XYZ_{0}_20231007_100000.oao"


def as_file(track: Track, number: int) -> bytes:
    """A decoded track as the file of a device."""
    fixes = np.zeros(len(track.fixes), FRAME)
    fixes["utc"] = track.fixes.time
    fixes["latitude"] = np.round(track.fixes.latitude * 1e7)
    fixes["longitude"] = np.round(track.fixes.longitude * 1e7)
    fixes["speed"] = track.fixes.speed
    fixes["heading"] = track.fixes.course
    fixes["fix"], fixes["satellites"], fixes["hdop"], fixes["speed_accuracy"] = 3, 16, 80, 289
    return write_track(fixes, identifier=number, nickname="WSW", logging_threshold=0)


class Event:
    """An event folder with tracks and courses, and what was computed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs: list[str] = []
        self.computation = Computation(root, ZONE, self._do)
        self.people: list[Assignment] = []

    def _do(self, jobs: Sequence[Job]) -> Iterator[TrackRuns]:
        self.jobs += [job.file.name for job in jobs]
        return in_turn(jobs)

    def courses(self, day: dt.date = DAY, /, **courses: Any) -> None:
        path = courses_path(self.root, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(courses))

    def track(self, number: int, track: Track, day: dt.date = DAY) -> Path:
        path = self.root / "gpslogs" / f"{day:%Y%m%d}" / NAME.format(number).replace("20231007", f"{day:%Y%m%d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_file(track, number))
        self.people.append(Assignment(number, day, day, f"ABC{number}XYZ", f"Sailor {number}", "", 2))
        return path

    def knots(self) -> dict[str, float]:
        results, _ = self.computation.day(DAY, self.people)
        return {standing.entrant: standing.knots for standing in results.ranking()}


PUBLISHED = dt.date(2023, 10, 13)


def published_day(captures: Path, root: Path) -> Path:
    """Fill an event folder with the tracks and the course of PUBLISHED; return the file of the other program."""
    runs = csv.DictReader((captures / "courses" / "runs.csv").read_text().splitlines())
    rows = [run for run in runs if run["day"] == "20231013"]
    folder, lines = root / "gpslogs" / "20231013", []
    folder.mkdir(parents=True)
    for file in sorted((captures / "courses" / "tracks").glob("*2023-10-13*.xz")):
        track = file.name.removesuffix(".xz")
        number, _, start = track.removesuffix(".oao").partition("_")
        name = f"XYZ{number}ABC_{number}_20231013_{start[-4:]}00.oao"
        (folder / name).write_bytes(lzma.decompress(file.read_bytes()))
        lines += [
            f"{run['run']},{name},{run['time_local']},{run['duration_s']},{run['speed_kn']},{run['course_deg']}"
            for run in rows
            if run["track"] == track
        ]
    real = json.loads((captures / "courses" / "courses.json").read_text())["20231013_S1"]
    course = {
        "Start Time": real["opens_local"],
        "End Time": real["closes_local"],
        "Start Line": real["start_line"],
        "Direction": real["direction_deg"],
    }
    path = courses_path(root, PUBLISHED)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"S1": course}))
    published = root / "GPSDATA_20231013_S1.csv"
    published.write_text("\n".join(lines))
    return published
