"""The path of a track on a plane, with the velocities that a run is made of."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from msgspec import Struct

from sse_twisted.results.courses.plane import Plane, Values
from sse_twisted.tracks.format import Fixes, SpeedSource, Track
from sse_twisted.tracks.session import in_time


class Path(Struct, frozen=True, eq=False, dict=True):
    """Positions in m and velocities in m/s, at ascending times."""

    time: Values  # s since 1970
    east: Values
    north: Values
    velocity_east: Values
    velocity_north: Values
    rate: int  # Hz

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def speed(self) -> Values:
        return np.hypot(self.velocity_east, self.velocity_north)

    @cached_property
    def sailed(self) -> tuple[Values, Values]:
        """The integral of the velocity since the first fix in m east and north; velocities are linear in between."""
        steps = np.diff(self.time) / 2
        east, north = self.velocity_east, self.velocity_north
        return (
            np.concatenate([[0.0], np.cumsum((east[1:] + east[:-1]) * steps)]),
            np.concatenate([[0.0], np.cumsum((north[1:] + north[:-1]) * steps)]),
        )


def path_of(track: Track, plane: Plane) -> Path:
    """Return the path of a track.

    Left out are fixes of another time, not later than one before, or without a place, and records that are no fix.
    """
    fixes = _ascending(track.fixes)
    time = fixes.time / 1000
    east, north = plane.metres(fixes.latitude, fixes.longitude)
    if len(time) < 2:
        still = np.zeros_like(time)
        return Path(time, east, north, still, still, track.rate)
    speed = fixes.speed / 1000
    if fixes.course is not None and track.speeds is not SpeedSource.POSITIONS:
        heading = np.radians(fixes.course / 1e5)
        return Path(time, east, north, speed * np.sin(heading), speed * np.cos(heading), track.rate)
    towards_east, towards_north = np.gradient(east, time), np.gradient(north, time)
    if track.speeds is SpeedSource.POSITIONS:
        return Path(time, east, north, towards_east, towards_north, track.rate)
    heading = np.arctan2(towards_east, towards_north)
    return Path(time, east, north, speed * np.sin(heading), speed * np.cos(heading), track.rate)


def _ascending(fixes: Fixes) -> Fixes:
    of_session = in_time(fixes.time)
    fixes = fixes if of_session.all() else fixes[of_session]
    later = np.ones(len(fixes), np.bool_)
    later[1:] = fixes.time[1:] > np.maximum.accumulate(fixes.time)[:-1]
    later &= np.isfinite(fixes.latitude) & np.isfinite(fixes.longitude)
    if fixes.fix is not None:
        later &= fixes.fix > 0
    return fixes if later.all() else fixes[later]
