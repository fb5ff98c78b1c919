from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from sse_twisted.config.courses import Line
from sse_twisted.results.courses.fit import FitError, PublishedRun, fit_line
from sse_twisted.results.courses.path import path_of
from sse_twisted.results.courses.plane import Gate, Plane
from sse_twisted.results.courses.runs import runs_of
from tests.results.courses.sailing import COURSE, LINE, MIDNIGHT, NOON, PLANE, RealDay, real_days, sail


def published(day: RealDay, plane: Plane) -> list[PublishedRun]:
    path = path_of(day.track, plane)
    return [PublishedRun(path, run.duration, day.midnight + run.second) for run in day.published]


def farthest(days: list[RealDay], line: Line, plane: Plane) -> float:
    """Metres between a line and the crossings of the real one that is the farthest away."""
    gate, most = Gate(plane, line), 0.0
    for day in days:
        path = path_of(day.track, plane)
        found = runs_of(day.track, day.course, day.line, day.midnight).passages
        times = [passage.time for passage in found if passage.counts]
        places = (np.interp(times, path.time, each) for each in (path.east, path.north))
        most = max(most, float(np.abs(gate.across(*places)).max()))
    return most


def test_the_lines_of_six_real_days_are_found_by_their_published_runs(captures: Path) -> None:
    by_day: dict[float, list[RealDay]] = defaultdict(list)
    for day in real_days(captures):
        by_day[day.midnight].append(day)
    assert len(by_day) == 6
    for days in by_day.values():
        plane = Plane.of(days[0].line)
        fit = fit_line([run for day in days for run in published(day, plane)], plane, 500)
        assert farthest(days, fit.line, plane) < 0.5
        assert fit.line.direction == pytest.approx(days[0].line.direction, abs=0.3)
        assert fit.explained >= 0.75 * fit.runs
        assert fit.place < 0.1


def made_up(count: int, *, off: float = 0.0) -> list[PublishedRun]:
    """Runs that speed up, each begun elsewhere on the line; their durations are `off` s too long."""
    runs = []
    for number in range(count):
        legs = [(1.0, 6.0 + 0.08 * second, 0.0) for second in range(120)]
        track = sail(legs, at=(8.0 * number - 40, -80 - number), start=NOON + 600 * number, rate=1)
        path = path_of(track, PLANE)
        (passage,) = runs_of(track, COURSE, LINE, MIDNIGHT).passages
        assert passage.run is not None
        runs.append(PublishedRun(path, passage.run.duration + off, float(int(passage.run.end))))
    return runs


def test_a_made_up_line_is_found_by_runs_that_speed_up() -> None:
    fit = fit_line(made_up(9), PLANE, 500)
    gate = Gate(PLANE, fit.line)
    assert np.abs(gate.across(np.array([-40.0, 24.0]), np.zeros(2))).max() < 0.1
    assert fit.explained == fit.runs == 9


def test_a_run_of_another_line_does_not_move_the_line() -> None:
    fit = fit_line([*made_up(9), *made_up(1, off=0.4)], PLANE, 500)
    gate = Gate(PLANE, fit.line)
    assert np.abs(gate.across(np.array([-40.0, 24.0]), np.zeros(2))).max() < 0.1
    assert (fit.explained, fit.runs) == (9, 10)


def test_too_few_runs_determine_no_line() -> None:
    with pytest.raises(FitError, match="3 of 3 runs lie on their tracks; 4 are needed"):
        fit_line(made_up(3), PLANE, 500)
    with pytest.raises(FitError, match="0 of 0 runs"):
        fit_line([], PLANE, 500)


def test_runs_of_another_hour_lie_on_no_track() -> None:
    shifted = [PublishedRun(run.path, run.duration, run.end + 3600) for run in made_up(9)]
    with pytest.raises(FitError, match="0 of 9 runs lie on their tracks"):
        fit_line(shifted, PLANE, 500)


def test_durations_that_fit_nowhere_are_refused() -> None:
    with pytest.raises(FitError):
        fit_line(made_up(9, off=30), PLANE, 500)
