"""A flat map around a line, and where a path crosses lines on it."""

from __future__ import annotations

import math
from functools import cached_property
from math import cos, radians, sin, sqrt
from typing import Final, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sse_twisted.config.courses import Line, Point
from sse_twisted.tracks.format import Degrees

Values: TypeAlias = NDArray[np.float64]

EQUATOR: Final = 6_378_137.0  # m; WGS 84
FLATTENING: Final = 1 / 298.257223563
ECCENTRICITY: Final = FLATTENING * (2 - FLATTENING)  # squared


def short_way(degrees: Values) -> Values:
    """Return differences of longitudes or courses as -180 to 180 degrees, so that the antimeridian does not matter."""
    turned: Values = (degrees + 180) % 360 - 180
    return turned


class Plane(Struct, frozen=True, dict=True):
    """Metres east and north of a point. Degrees have the lengths that they have on the ellipsoid at the point."""

    origin: Point

    @classmethod
    def of(cls, line: Line) -> Plane:
        """Return the plane around the middle of a line."""
        (south, east), (north, west) = line.ends
        return cls(((south + north) / 2, east + ((west - east + 180) % 360 - 180) / 2))

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Metres of a degree of longitude, and of latitude."""
        latitude = radians(self.origin[0])
        curve = 1 - ECCENTRICITY * sin(latitude) ** 2
        east = EQUATOR / sqrt(curve) * cos(latitude)
        north = EQUATOR * (1 - ECCENTRICITY) / curve**1.5
        return radians(east), radians(north)

    def metres(self, latitude: Degrees, longitude: Degrees) -> tuple[Values, Values]:
        """Return metres east and north."""
        east, north = self.scale
        return short_way(longitude - self.origin[1]) * east, (latitude - self.origin[0]) * north

    def position(self, east: float, north: float) -> Point:
        """Return latitude and longitude of a place."""
        of_longitude, of_latitude = self.scale
        longitude = (self.origin[1] + east / of_longitude + 180) % 360 - 180
        return self.origin[0] + north / of_latitude, longitude


class Gate(Struct, frozen=True, dict=True):
    """A line on a plane: places along it in m from its first end, and across it, positive behind it."""

    plane: Plane
    line: Line

    @cached_property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Metres east and north of the first end, and of the other."""
        latitude, longitude = np.array(self.line.ends).T
        east, north = self.plane.metres(latitude, longitude)
        return (float(east[0]), float(north[0])), (float(east[1]), float(north[1]))

    @cached_property
    def length(self) -> float:
        """Metres between the ends."""
        return math.dist(*self.ends)

    @cached_property
    def _unit(self) -> tuple[float, float]:
        (east, north), (other_east, other_north) = self.ends
        return (other_east - east) / self.length, (other_north - north) / self.length

    @cached_property
    def normal(self) -> tuple[float, float]:
        """The unit vector east and north that points to the side on which runs are sailed."""
        east, north = -self._unit[1], self._unit[0]
        direction = radians(self.line.direction)
        forward = east * sin(direction) + north * cos(direction) >= 0
        return (east, north) if forward else (-east, -north)

    def along(self, east: Values, north: Values) -> Values:
        """Return the metres from the first end, along the line."""
        (first_east, first_north), _ = self.ends
        along: Values = (east - first_east) * self._unit[0] + (north - first_north) * self._unit[1]
        return along

    def across(self, east: Values, north: Values) -> Values:
        """Return the metres from the line; negative before it."""
        (first_east, first_north), _ = self.ends
        across: Values = (east - first_east) * self.normal[0] + (north - first_north) * self.normal[1]
        return across

    def crossings(self, east: Values, north: Values) -> Crossings:
        """Return where a path crosses the line, or its extension, in either direction."""
        across, along = self.across(east, north), self.along(east, north)
        behind = across >= 0
        after = np.flatnonzero(behind[1:] != behind[:-1])
        part = across[after] / (across[after] - across[after + 1])
        return Crossings(after, part, along[after] + part * (along[after + 1] - along[after]), behind[after + 1])


class Crossings(Struct, frozen=True, eq=False):
    """Where a path crosses a line: between a point and the next one, at a part of the step."""

    after: NDArray[np.intp]
    part: Values  # 0 to 1
    along: Values  # m from the first end of the line; outside of 0 to its length on the extension
    forward: NDArray[np.bool_]

    def within(self, first: float, last: float) -> NDArray[np.bool_]:
        """Tell for each crossing whether it is between two places along the line."""
        inside: NDArray[np.bool_] = (self.along >= first) & (self.along <= last)
        return inside
