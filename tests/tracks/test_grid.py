from __future__ import annotations

import numpy as np
import pytest

from sse_twisted.tracks.grid import filled, usable, widened
from sse_twisted.tracks.oao.decoding import fixes_of
from sse_twisted.tracks.oao.layout import FRAME
from tests.tracks.voyages import PLAIN, START, gridded, sail


@pytest.mark.parametrize(
    ("field", "worst", "too_bad"), [("fix", 3, 2), ("satellites", 7, 6), ("speed_accuracy", 1000, 1001)]
)
def test_a_fix_counts_up_to_the_device_s_limits(field: str, worst: int, too_bad: int) -> None:
    fixes = sail(1)
    fixes[field][1] = worst
    fixes[field][2] = too_bad
    assert usable(fixes_of(fixes), PLAIN).tolist() == [True, True, False, True, True]


def test_every_fix_has_its_place() -> None:
    fixes = sail(2)
    grid = gridded(fixes)
    assert grid.length == 10
    assert grid.place.tolist() == list(range(10))
    assert grid.speed.tolist() == fixes["speed"].tolist()
    assert grid.latitude == pytest.approx(fixes["latitude"] * 1e-7)


def test_fixes_that_do_not_count_or_are_lost_leave_their_places() -> None:
    fixes = sail(2)
    fixes["satellites"][3] = 0
    grid = gridded(np.delete(fixes, [6, 7]))
    assert grid.place.tolist() == [0, 1, 2, 4, 5, 8, 9]
    assert grid.speed.tolist() == fixes["speed"][grid.place].tolist()


def test_the_grid_begins_with_the_first_fix_that_counts() -> None:
    fixes = sail(2)
    fixes["fix"][:3] = 0
    grid = gridded(fixes)
    assert (grid.start, grid.length) == (START + 600, 7)


def test_a_fix_that_may_stand_still_is_not_moving() -> None:
    fixes = sail(1)
    fixes["speed"][:3] = (288, 289, 290)
    assert gridded(fixes).moving[:3].tolist() == [0, 0, 290]


def test_a_millisecond_of_jitter_changes_no_place() -> None:
    fixes = sail(2, 10)
    fixes["utc"][1::3] += 1
    fixes["utc"][2::3] -= 1
    assert gridded(fixes, 10).place.tolist() == list(range(20))


def test_the_later_of_two_fixes_for_one_place_counts() -> None:
    fixes = sail(2)
    fixes["utc"][5] = fixes["utc"][4]
    grid = gridded(fixes)
    assert grid.place.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert grid.speed[4] == fixes["speed"][5]


def test_a_second_is_rounded_down() -> None:
    grid = gridded(sail(3)[2:])
    assert [grid.time(place) // 1000 - START // 1000 for place in range(8)] == [0, 0, 0, 1, 1, 1, 1, 1]


def test_a_clock_that_jumps_is_refused() -> None:
    for jump in (2**63 - 1, START + 97 * 3_600_000):
        far = sail(1)
        far["utc"][3] = jump
        with pytest.raises(ValueError, match="after the earliest"):
            gridded(far)


def test_fixes_in_disorder_have_their_places() -> None:
    fixes = sail(2)
    fixes["utc"][3] = START - 400
    grid = gridded(fixes)
    assert (grid.start, grid.length) == (START - 400, 12)
    assert grid.place.tolist() == [0, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert grid.speed[0] == fixes["speed"][3]


def test_no_fix_makes_an_empty_grid() -> None:
    assert gridded(np.zeros(0, FRAME)).length == 0
    assert gridded(np.zeros(10, FRAME)).length == 0


def test_a_grid_is_widened_to_what_was_received() -> None:
    grid = widened(gridded(sail(2)), START - 1000, START + 3000)
    assert (grid.start, grid.length) == (START - 1000, 21)
    assert grid.place.tolist() == list(range(5, 15))
    assert widened(grid, START, START).length == 21
    assert widened(grid, 0, 2**62).length == 4 * 86_400 * 5


def test_places_of_a_second_are_those_that_begin_in_it() -> None:
    grid = gridded(sail(3)[2:])
    assert grid.places(START // 1000) == (0, 3)
    assert grid.places(START // 1000 + 1) == (3, 8)
    assert grid.places(START // 1000 + 9) == (13, 13)
    assert grid.places(START // 1000 - 9) == (0, 0)


def test_missing_places_are_filled_but_for_the_known() -> None:
    fixes = sail(2)
    grid = gridded(np.delete(fixes, [3, 6, 7]))
    dense = filled(grid, 2, 9, 1234, np.array([6]))
    assert dense.place.tolist() == [0, 1, 2, 3, 5, 6]
    assert [speed for speed in dense.speed.tolist() if speed == 1234] == [1234, 1234]
    assert dense.time(0) // 1000 == (START + 400) // 1000
