from __future__ import annotations

import numpy as np
import pytest

from sse_twisted.tracks.grid import on_grid, usable
from sse_twisted.tracks.layout import FRAME
from tests.tracks.voyages import START, sail


@pytest.mark.parametrize(
    ("field", "worst", "too_bad"), [("fix", 3, 2), ("satellites", 7, 6), ("speed_accuracy", 1000, 1001)]
)
def test_a_fix_counts_up_to_the_device_s_limits(field: str, worst: int, too_bad: int) -> None:
    fixes = sail(1)
    fixes[field][1] = worst
    fixes[field][2] = too_bad
    assert usable(fixes).tolist() == [True, True, False, True, True]


def test_every_fix_has_its_place() -> None:
    fixes = sail(2)
    grid = on_grid(fixes, 5)
    assert len(grid) == 10
    assert grid.present.all()
    assert grid.speed.tolist() == fixes["speed"].tolist()
    assert np.degrees(grid.latitude) == pytest.approx(fixes["latitude"] * 1e-7)


def test_places_without_a_fix_hold_zeros() -> None:
    fixes = sail(2)
    fixes["satellites"][3] = 0
    grid = on_grid(np.delete(fixes, [6, 7]), 5)
    assert np.flatnonzero(~grid.present).tolist() == [3, 6, 7]
    assert np.flatnonzero(grid.speed == 0).tolist() == [3, 6, 7]


def test_the_grid_begins_with_the_first_fix_that_counts() -> None:
    fixes = sail(2)
    fixes["fix"][:3] = 0
    grid = on_grid(fixes, 5)
    assert (grid.start, len(grid)) == (START + 600, 7)


def test_a_fix_that_may_stand_still_is_not_moving() -> None:
    fixes = sail(1)
    fixes["speed"][:3] = (288, 289, 290)
    assert on_grid(fixes, 5).moving[:3].tolist() == [0, 0, 290]


def test_a_millisecond_of_jitter_changes_no_place() -> None:
    fixes = sail(2, 10)
    fixes["utc"][1::3] += 1
    fixes["utc"][2::3] -= 1
    assert on_grid(fixes, 10).present.all()


def test_the_later_of_two_fixes_for_one_place_counts() -> None:
    fixes = sail(2)
    fixes["utc"][5] = fixes["utc"][4]
    grid = on_grid(fixes, 5)
    assert grid.speed[4] == fixes["speed"][5]
    assert not grid.present[5]


def test_a_second_is_rounded_down() -> None:
    grid = on_grid(sail(3)[2:], 5)
    assert [grid.second(place) - START // 1000 for place in range(8)] == [0, 0, 0, 1, 1, 1, 1, 1]


def test_a_clock_that_jumps_is_refused() -> None:
    back, far = sail(1), sail(1)
    back["utc"][3] = START - 1
    far["utc"][3] = 2**63 - 1
    for fixes in (back, far):
        with pytest.raises(ValueError, match="before the first or more than"):
            on_grid(fixes, 5)


def test_no_fix_makes_an_empty_grid() -> None:
    assert len(on_grid(np.zeros(0, FRAME), 5)) == 0
    assert len(on_grid(np.zeros(10, FRAME), 5)) == 0
