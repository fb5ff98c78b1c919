from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.config.courses import Line
from sse_twisted.results.courses.plane import Gate, Plane

HERE = (50.575, -2.46)
METRES = st.floats(-2_000, 2_000)


def gate(direction: float, *, west_first: bool = True) -> Gate:
    plane = Plane(HERE)
    ends = (plane.position(-50, 0), plane.position(50, 0))
    return Gate(plane, Line(ends if west_first else ends[::-1], direction))


def path(*points: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    east, north = np.array(points).T
    return east, north


@pytest.mark.parametrize(("latitude", "of_latitude", "of_longitude"), [(0, 110574, 111320), (45, 111132, 78847)])
def test_a_degree_has_the_metres_of_the_ellipsoid(latitude: float, of_latitude: float, of_longitude: float) -> None:
    """The lengths are those of Wikipedia's "Geographic coordinate system"."""
    assert Plane((latitude, 0)).scale == pytest.approx((of_longitude, of_latitude), abs=1)


@given(METRES, METRES, st.sampled_from([-180.0, -2.46, 0.0, 179.999]))
def test_a_place_and_its_position_are_the_same(east: float, north: float, longitude: float) -> None:
    plane = Plane((50.575, longitude))
    latitude, longitude = plane.position(east, north)
    assert -180 <= longitude <= 180
    back = plane.metres(np.array([latitude]), np.array([longitude]))
    assert (back[0][0], back[1][0]) == pytest.approx((east, north), abs=1e-5)


def test_the_plane_of_a_line_across_the_antimeridian_is_around_its_middle() -> None:
    plane = Plane.of(Line(((10.0, 179.999), (10.002, -179.997)), 90))
    assert plane.origin == pytest.approx((10.001, 180.001))
    east, _ = plane.metres(np.array([10.0]), np.array([-179.999]))
    assert east[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("west_first", [True, False])
def test_a_crossing_is_forwards_in_the_direction_whatever_the_order_of_the_ends(west_first: bool) -> None:
    east, north = path((10, -4), (14, 4), (14, -4))
    there = gate(20, west_first=west_first).crossings(east, north)
    back = gate(200, west_first=west_first).crossings(east, north)
    assert there.forward.tolist() == [True, False]
    assert back.forward.tolist() == [False, True]
    assert there.after.tolist() == [0, 1]
    assert there.part.tolist() == [0.5, 0.5]
    from_the_west = there.along if west_first else 100 - there.along
    assert from_the_west.tolist() == pytest.approx([62, 64], abs=1e-5)


def test_a_passage_of_the_extension_is_outside_of_the_length() -> None:
    crossings = gate(0).crossings(*path((-60, -1), (-60, 1), (70, 1), (70, -1)))
    assert crossings.along.tolist() == pytest.approx([-10, 120], abs=1e-5)
    assert gate(0).length == pytest.approx(100, abs=1e-5)


def test_who_lies_on_the_line_has_crossed_it_once() -> None:
    crossings = gate(0).crossings(*path((0, -1), (0, 0), (0, 0), (0, 1)))
    assert len(crossings.after) == 1
    assert crossings.part.tolist() == [1]
