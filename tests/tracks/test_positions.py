from __future__ import annotations

import numpy as np
import pytest

from sse_twisted.tracks.positions import speeds_between

DEGREE = 6_371_009.0 * np.pi / 180  # m


def test_a_speed_is_the_way_from_the_point_before() -> None:
    time = np.array([0, 1000, 3000])
    speed, known = speeds_between(time, np.array([50.0, 50.0001, 50.0003]), np.full(3, -2.0))
    assert speed == pytest.approx([DEGREE / 1e4] * 3, rel=1e-6)
    assert known.all()


def test_a_degree_of_longitude_is_shorter_in_the_north() -> None:
    speed, _ = speeds_between(np.array([0, 1000]), np.full(2, 60.0), np.array([0.0, 0.0001]))
    assert speed[1] == pytest.approx(DEGREE / 1e4 / 2, rel=1e-5)


@pytest.mark.parametrize("time", [[0, 0, 0], [3000, 2000, 1000], [0, 2**62, -(2**62)]])
def test_a_point_that_is_not_later_has_no_speed(time: list[int]) -> None:
    speed, known = speeds_between(np.array(time), np.array([1.0, 2, 3]), np.zeros(3))
    assert not known.any()
    assert not speed.any()


def test_fewer_than_two_points_have_none() -> None:
    for count in (0, 1):
        _, known = speeds_between(np.zeros(count, np.int64), np.zeros(count), np.zeros(count))
        assert known.tolist() == [False] * count
