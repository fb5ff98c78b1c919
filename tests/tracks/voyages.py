"""Fixes of a sailor who goes to and fro, as a receiver gives them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sse_twisted.simulator.writer import write_track
from sse_twisted.tracks.format import Buffer, Rules
from sse_twisted.tracks.grid import Grid, on_grid
from sse_twisted.tracks.oao.decoding import fixes_of, frames_of
from sse_twisted.tracks.oao.layout import FRAME, Frames
from sse_twisted.tracks.session import Session

START = 1_666_177_200_000  # ms UTC, 2022-10-19 11:00
PLAIN = Rules()
METRES_PER_UNIT = 6_371_009.0 * np.pi / 180 * 1e-7  # of latitude


def sail(seconds: float, frequency: int = 5, *, leg: float = 40, pause: float = 0, seed: int = 1) -> Frames:
    """Legs of so many seconds at 8 m/s and more, a gybe in 6 s between them, and a rest at walking pace after each."""
    count = int(seconds * frequency)
    time = np.arange(count) / frequency
    number, in_leg = np.divmod(time, leg + 6 + pause)
    turning = np.clip((in_leg - leg) / 6, 0, 1)
    course = 90 + 180 * (number + turning)
    speed = 8 + 0.3 * number + np.sin(time / 7) - 4 * np.sin(np.pi * turning)
    speed = np.where(in_leg > leg + 6, 1.5, speed) + np.random.default_rng(seed).normal(0, 0.05, count)

    fixes = np.zeros(count, FRAME)
    east, north = (np.cumsum(speed * part(np.radians(course))) / frequency for part in (np.sin, np.cos))
    latitude = 50.58
    fixes["latitude"] = latitude * 1e7 + north / METRES_PER_UNIT
    fixes["longitude"] = -2.47e7 + east / METRES_PER_UNIT / np.cos(np.radians(latitude))
    fixes["altitude"] = 1500 + 300 * np.sin(time)
    fixes["speed"] = speed * 1000
    fixes["heading"] = course % 360 * 1e5
    fixes["utc"] = START + np.arange(count) * 1000 // frequency
    fixes["fix"], fixes["satellites"], fixes["hdop"] = 3, 16, 80
    fixes["speed_accuracy"] = 289
    return fixes


def voyages() -> Iterator[Frames]:
    """Tracks of some thousand fixes with gaps and equal speeds, where a path of 500 m has several legs."""
    for seed in range(4):
        fixes = sail(1300, leg=23, pause=4, seed=seed)
        random = np.random.default_rng(seed)
        fixes["speed"] = fixes["speed"] // 100 * 100
        kept = np.ones(len(fixes), np.bool_)
        for start in random.choice(len(fixes), 40).tolist():
            kept[start : start + 1 + start % 3] = False
        yield fixes[kept]


def small_track(frames: int = 20) -> bytes:
    """A whole file with that many frames."""
    return write_track(sail(10)[: frames + 1], identifier=601, nickname="WSW", logging_threshold=0)


def gridded(frames: Frames, frequency: int = 5, rules: Rules = PLAIN) -> Grid:
    """The frames on a grid."""
    return on_grid(fixes_of(frames), frequency, rules)


def frames_in(data: Buffer) -> Frames:
    """The sound frames of a file."""
    return frames_of(data)[0]


def best(session: Session, name: str) -> float | None:
    """The best in mm/s of one of SPEEDS or of "5x10s"; None if there is none."""
    if name == "5x10s":
        return session.five_by_ten
    speeds = session.bests.get(name, ())
    return speeds[0].value if speeds else None
