"""Sessions that look like an afternoon in Portland Harbour."""

from __future__ import annotations

import numpy as np
import pytest

from sse_twisted.simulator.trajectory import KNOT, PORTLAND_HARBOUR, Trajectory, sail


def best_500m(session: Trajectory) -> float:
    """The best speed over 500 m, in knots, as a device finds it."""
    path = np.concatenate([[0.0], np.cumsum(session.speed) / 5])
    ends = np.searchsorted(path, path + 500)
    windows = (ends - np.arange(path.size))[ends < path.size]
    return float(500 / (windows.min() / 5) / KNOT)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_500_metres_are_those_of_a_speed_sailor(seed: int) -> None:
    assert 24 <= best_500m(sail(3 * 3600, seed)) <= 40


def test_the_best_500_metres_can_be_chosen() -> None:
    assert best_500m(sail(2 * 3600, 1, top=30)) == pytest.approx(30, rel=0.05)


def test_a_session_is_breaks_and_runs_there_and_back_near_the_course() -> None:
    session = sail(4 * 3600, 3)
    resting = float((session.speed < 1).mean())
    assert 0.1 < resting < 0.8
    assert abs(session.latitude - PORTLAND_HARBOUR.latitude).max() < 0.03
    assert abs(session.longitude - PORTLAND_HARBOUR.longitude).max() < 0.05
    fast = session.heading[session.speed > 8]
    out, back = abs(fast - 142) < 30, abs(fast - 322) < 30
    assert out.mean() > 0.3
    assert back.mean() > 0.3


def test_speed_changes_no_faster_than_a_sailor_can() -> None:
    assert abs(np.diff(sail(3600, 2).speed)).max() * 5 < 6


def test_a_session_has_a_fix_each_fifth_of_a_second() -> None:
    session = sail(60, 1)
    assert session.seconds.size == session.speed.size == session.latitude.size == 301
    assert np.diff(session.seconds) == pytest.approx(0.2)


def test_a_seed_repeats_its_trajectory_and_another_does_not() -> None:
    assert np.array_equal(sail(600, 1).speed, sail(600, 1).speed)
    assert not np.array_equal(sail(600, 1).speed, sail(600, 2).speed)
