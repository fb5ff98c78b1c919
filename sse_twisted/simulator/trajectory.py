"""Trajectories of a speed-sailing afternoon: runs in both directions, gybes and breaks, by a seed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KNOT: Final = 1852 / 3600
"""Metres per second."""

EARTH: Final = 6_371_009.0
"""Radius in metres."""

_RUN: Final = 900.0  # metres between two gybes
_TURN: Final = 8.0  # seconds of a gybe
_SMOOTHING: Final = 11  # fixes over which speed and heading are smoothed


@frozen
class Course:
    """Middle of the course and heading of its runs, in degrees."""

    latitude: float
    longitude: float
    heading: float


PORTLAND_HARBOUR: Final = Course(50.57, -2.46, 142.0)

_LINE: Final = (-120.0, -150.0, 200.0)  # m along the course from its middle, and of both ends to the right of it


def start_line(course: Course = PORTLAND_HARBOUR) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of a line that the runs in direction of the heading cross, 500 m before they end."""
    along, heading = _LINE[0], np.radians(course.heading)

    def end(right: float) -> tuple[float, float]:
        north = along * np.cos(heading) - right * np.sin(heading)
        east = along * np.sin(heading) + right * np.cos(heading)
        longitude = course.longitude + np.degrees(east / EARTH / np.cos(np.radians(course.latitude)))
        return round(float(course.latitude + np.degrees(north / EARTH)), 7), round(float(longitude), 7)

    return end(_LINE[1]), end(_LINE[2])


@frozen(eq=False)
class Trajectory:
    """One value for each fix: seconds since the start, m/s, and degrees."""

    seconds: Floats
    speed: Floats
    heading: Floats
    latitude: Floats
    longitude: Floats


def sail(
    seconds: float, seed: int, *, top: float | None = None, hz: int = 5, course: Course = PORTLAND_HARBOUR
) -> Trajectory:
    """Return the trajectory of `seconds`. `top` is about the best 500 m in knots; by default 25 to 40, by the seed."""
    chance = np.random.default_rng(seed)
    best = (float(chance.uniform(25, 40)) if top is None else top) * KNOT
    times, speeds, headings = _plan_runs(seconds, best, course.heading, chance)
    clock = np.arange(0, round(seconds * hz) + 1) / hz
    speed = _smooth(np.interp(clock, times, speeds))
    speed += 0.25 * _smooth(chance.normal(size=clock.size)) * np.minimum(speed, 4.0)
    speed = np.maximum(speed, 0.02)
    heading = _smooth(np.interp(clock, times, headings)) + _smooth(chance.normal(0, 4, clock.size))
    along = np.radians(course.heading)
    north = np.cumsum(speed * np.cos(np.radians(heading))) / hz - _RUN / 2 * np.cos(along)
    east = np.cumsum(speed * np.sin(np.radians(heading))) / hz - _RUN / 2 * np.sin(along)
    return Trajectory(
        seconds=clock,
        speed=speed,
        heading=heading % 360.0,
        latitude=course.latitude + np.degrees(north / EARTH),
        longitude=course.longitude + np.degrees(east / EARTH / np.cos(np.radians(course.latitude))),
    )


def _plan_runs(
    seconds: float, best: float, heading: float, chance: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return times, speeds and headings, to be interpolated linearly."""
    curve = _Profile(heading)
    curve.drift(float(chance.uniform(60, 300)))
    fastest = 2 * int(chance.integers(1, 4))
    run = 0
    while curve.time < seconds:
        share = 1.0 if run == fastest else float(chance.uniform(0.7, 0.97))
        outward = run % 2 == 0
        curve.run(best * (share if outward else 0.8 * share), float(chance.uniform(3.0, 7.5)), outward)
        run += 1
        if run % 2 == 0 and chance.random() < 0.35:
            curve.drift(float(chance.uniform(120, 1200)))
    return np.array(curve.times), np.array(curve.speeds), np.array(curve.headings)


class _Profile:
    """Speed and heading over time, built step by step; `place` is in metres along the course from its middle."""

    def __init__(self, heading: float) -> None:
        self.time = 0.0
        self.place = -_RUN / 2
        self.times, self.speeds, self.headings = [0.0], [0.2], [heading]
        self._heading = heading

    def drift(self, seconds: float) -> None:
        """Lie in the water, moved by the current only, which sets along the course."""
        self._go(6.0, 0.3, 1.0)
        self._go(seconds, 0.2, 1.0)

    def run(self, speed: float, slow: float, outward: bool) -> None:
        """Accelerate to `speed` (m/s), hold it to the other end of the course, slow down to `slow` and gybe."""
        sign = 1.0 if outward else -1.0
        start = self.speeds[-1]
        left = (_RUN / 2 - sign * self.place) - 12.0 * (start + speed) / 2 - 6.0 * (speed + slow) / 2
        self._go(12.0, speed * 0.97, sign)
        hold = max(10.0, left / (speed * 0.98))
        self._go(hold / 2, speed, sign)
        self._go(hold / 2, speed * 0.96, sign)
        self._go(6.0, slow, sign)
        self._heading += 180.0
        self._go(_TURN, slow, 0.0)

    def _go(self, seconds: float, speed: float, sign: float = 0.0) -> None:
        self.place += sign * seconds * (self.speeds[-1] + speed) / 2
        self.time += seconds
        self.times.append(self.time)
        self.speeds.append(speed)
        self.headings.append(self._heading)


def _smooth(values: Any) -> Floats:
    window = min(_SMOOTHING, len(values))
    padded = np.pad(values, (window // 2, (window - 1) // 2), mode="edge")
    smoothed: Floats = np.convolve(padded, np.full(window, 1 / window), mode="valid")
    return smoothed
