from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from sse_twisted.results.courses.path import path_of
from tests.results.courses.sailing import NOON, PLANE, sail


def test_a_record_that_is_no_fix_is_left_out() -> None:
    """Watches store some records without speed: a speed of 0 would shorten the way."""
    track = sail([(20, 8, 0)], rate=1)
    assert len(path_of(track, PLANE)) == 20
    fix = np.where(np.arange(20) % 4, 3, 0)
    speed = np.where(fix, track.fixes.speed, 0)
    path = path_of(replace(track, fixes=replace(track.fixes, fix=fix, speed=speed)), PLANE)
    assert (path.time - NOON).tolist() == [second for second in range(20) if second % 4]
    assert path.speed.min() > 7.9


def test_a_record_without_a_place_is_left_out() -> None:
    track = sail([(10, 8, 0)], rate=1)
    latitude = np.where(np.arange(10) == 5, np.nan, track.fixes.latitude)
    assert len(path_of(replace(track, fixes=replace(track.fixes, latitude=latitude)), PLANE)) == 9
