from __future__ import annotations

import numpy as np
import pytest

from sse_twisted.tracks.plot.course import Course
from sse_twisted.tracks.plot.map import MARGIN, MAX_COLOURS, MAX_HEIGHT, MIN_HEIGHT, colours_of, fit_map


def course(east: list[float], north: list[float]) -> Course:
    count = len(east)
    return Course(np.arange(count), np.ones(count), np.array(east), np.array(north), np.zeros(count, np.bool_))


def test_a_path_is_fitted_with_equal_scales_and_north_up() -> None:
    area = fit_map(course([0, 1000], [0, 400]), 10, 20, 800)
    assert area.x[1] - area.x[0] == pytest.approx(800 - 2 * MARGIN)
    assert area.y[0] - area.y[1] == pytest.approx(0.4 * (800 - 2 * MARGIN))
    assert area.scale == pytest.approx((800 - 2 * MARGIN) / 1000)


@pytest.mark.parametrize(("north", "height"), [(0, MIN_HEIGHT), (100_000, MAX_HEIGHT)])
def test_the_height_has_bounds(north: float, height: float) -> None:
    area = fit_map(course([0, 1000], [0, north]), 0, 0, 800)
    assert area.height == height
    assert all(MARGIN - 1e-6 <= y <= height - MARGIN + 1e-6 for y in area.y)


def test_a_point_is_in_the_middle() -> None:
    area = fit_map(course([5], [7]), 0, 0, 800)
    assert (area.x[0], area.y[0]) == (400, area.height / 2)


@pytest.mark.parametrize("fastest", [0.1, 5, 40, 500])
def test_colours_are_of_round_bins_that_hold_every_speed(fastest: float) -> None:
    speeds = np.linspace(fastest / 10, fastest, 100)
    colours = colours_of(speeds)
    assert 1 <= len(colours.colours) <= MAX_COLOURS + 1
    assert colours.lowest <= speeds[0]
    assert colours.lowest + len(colours.colours) * colours.step >= speeds[-1]
    bins = colours.bins(speeds)
    assert (np.diff(bins) >= 0).all()
    assert (bins[0], bins[-1]) == (0, len(colours.colours) - 1)


def test_a_speed_between_two_bins_is_in_the_upper_one() -> None:
    colours = colours_of(np.array([0.0, 10.0]))
    assert colours.bins(np.array([colours.step])).tolist() == [1]
