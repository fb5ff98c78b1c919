from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from sse_twisted.config.courses import BuoyLine, Line
from sse_twisted.results.courses.buoys import Buoy, buoy_of, line_between, spread_text, swing_warning
from sse_twisted.tracks.format import Track
from tests.results.courses.sailing import NOON, PLANE, sail, track_of


def moored(swing: float = 5.0, seconds: int = 3600, at: tuple[float, float] = (0.0, 0.0), start: float = NOON) -> Track:
    """A device on a buoy that goes around its place once in 20 min."""
    still = sail([(seconds, 0.1, 0.0)], at=at, start=start, rate=1)
    angle = np.arange(len(still.fixes)) * 2 * np.pi / 1200
    of_longitude, of_latitude = PLANE.scale
    fixes = replace(
        still.fixes,
        latitude=PLANE.origin[0] + (at[1] + swing * np.cos(angle)) / of_latitude,
        longitude=PLANE.origin[1] + (at[0] + swing * np.sin(angle)) / of_longitude,
    )
    return track_of(fixes, 1)


def placed(*tracks: Track, since: float = NOON, until: float = NOON + 7200) -> Buoy | None:
    return buoy_of(621, tracks, since, until)


def metres_from_origin(buoy: Buoy | None) -> float:
    assert buoy is not None
    east, north = PLANE.metres(*(np.array([degrees]) for degrees in buoy.position))
    return float(np.hypot(east[0], north[0]))


def test_a_buoy_is_in_the_middle_of_its_slow_fixes() -> None:
    buoy = placed(moored())
    assert metres_from_origin(buoy) < 0.5
    assert buoy is not None
    assert buoy.spread == pytest.approx(5, abs=0.1)
    assert buoy.fixes == 3600


def test_the_way_out_to_the_buoy_does_not_count() -> None:
    way_out = sail([(600, 5.0, 90.0)], at=(-3000, 0), start=NOON)
    assert metres_from_origin(placed(way_out, moored(start=NOON + 600))) < 0.5


def test_only_the_hours_of_the_course_count() -> None:
    on_shore = moored(seconds=7200, at=(800, 300), start=NOON - 7200)
    assert metres_from_origin(placed(on_shore, moored())) < 0.5


@pytest.mark.parametrize("tracks", [(), (sail([(600, 5.0, 0.0)]),), (moored(seconds=59),)])
def test_a_buoy_without_slow_fixes_has_no_place(tracks: tuple[Track, ...]) -> None:
    assert placed(*tracks) is None


def test_a_buoy_that_moved_further_than_it_swings_is_worth_a_warning() -> None:
    drifting = placed(moored(swing=40))
    assert drifting is not None
    assert swing_warning(drifting, 10) == "buoy 621 moved: 10 % of its fixes are more than 40 m off (expected 10 m)"
    still = placed(moored(swing=4.5))
    assert still is not None
    assert swing_warning(still, 10) == ""
    assert spread_text(still) == "buoy 621: 3,600 fixes, 90 % within 5 m"


def test_two_buoys_make_a_line() -> None:
    one, other = Buoy(621, (50.0, -2.0), 1, 99), Buoy(754, (50.001, -2.0), 1, 99)
    assert line_between(one, other, BuoyLine((621, 754), 90)) == Line(((50.0, -2.0), (50.001, -2.0)), 90)
