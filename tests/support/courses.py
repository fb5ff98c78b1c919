"""A course of an event in virtual time, and tracks that sail it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np

from sse_twisted.results.courses.course_files import courses_path
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.writer import write_track
from sse_twisted.tracks.oao.layout import FRAME
from tests.support.event import MORNING

DAY = dt.date(2022, 10, 17)
LATITUDE, LONGITUDE, DEGREE = 50.575, -2.46, 111_240.0  # m of a degree of latitude there
S1: dict[str, Any] = {
    "Start Time": "08:00",
    "End Time": "16:00",
    "Start Line": [[LATITUDE, LONGITUDE - 0.001], [LATITUDE, LONGITUDE + 0.001]],
    "Direction": 0,
}


def north(number: int, speed: float, start: int = MORNING) -> SimulatedLog:
    """A track that crosses the line northwards with a speed in m/s."""
    frames = np.zeros(round(800 / speed) * 5, FRAME)
    frames["utc"] = start + 200 * np.arange(len(frames))
    frames["latitude"] = np.round((LATITUDE + (np.arange(len(frames)) * speed / 5 - 100) / DEGREE) * 1e7)
    frames["longitude"] = round(LONGITUDE * 1e7)
    frames["speed"] = speed * 1000
    frames["fix"], frames["satellites"], frames["speed_accuracy"] = 3, 12, 300
    stamp = dt.datetime.fromtimestamp(start / 1000 + 3600, dt.UTC).strftime("%Y-%m-%d-%H%M")
    return SimulatedLog(f"/logs/2022/10/{number:04}_{stamp}.oao", write_track(frames, identifier=number, timezone=60))


def drifting(number: int, east: float, start: int = MORNING) -> SimulatedLog:
    """A track of two minutes on a buoy, so many degrees east of the middle of the line."""
    frames = np.zeros(600, FRAME)
    frames["utc"] = start + 200 * np.arange(len(frames))
    frames["latitude"] = round(LATITUDE * 1e7)
    frames["longitude"] = np.round((LONGITUDE + east + np.sin(np.arange(len(frames)) / 50) * 1e-5) * 1e7)
    frames["speed"] = 200
    frames["fix"], frames["satellites"], frames["speed_accuracy"] = 3, 12, 300
    stamp = dt.datetime.fromtimestamp(start / 1000 + 3600, dt.UTC).strftime("%Y-%m-%d-%H%M")
    track = write_track(frames, identifier=number, timezone=60, logging_threshold=0)
    return SimulatedLog(f"/logs/2022/10/{number:04}_{stamp}.oao", track)


def write_courses(root: Path, **courses: Any) -> None:
    path = courses_path(root, DAY)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(courses))
