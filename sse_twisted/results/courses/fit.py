"""The start line that explains the published runs of another program. Pure.

A published run tells its duration to 1 ms and its end to a second. By the rule, the duration depends on where the run
began, so the runs determine the line on which they all began. They say nothing of the line's ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sse_twisted.config.courses import Line
from sse_twisted.results.courses.path import Path
from sse_twisted.results.courses.plane import Plane, Values
from sse_twisted.results.courses.runs import end_of

MIN_RUNS: Final = 4
TIMES: Final = np.arange(-1.5, 1.5, 0.05)  # s around the likely start: the published end is cut to a second
ROUNDED: Final = 0.0005  # s: a published duration is rounded to 1 ms
BLURRED: Final = 0.15  # m: by so much the starts of 337 real runs are off their line, in the median
EXPLAINED: Final = 4  # times what a duration is usually off
NUDGE, TURN = 0.01, 1e-5  # m and radians, of the numeric derivatives
TRIALS: Final = 600  # pairs of runs through which a line is tried
ROUNDS: Final = 30
MARGIN: Final = 10.0  # m that the line reaches beyond the outermost crossings
TWO: Final = 2


class FitError(ValueError):
    """The runs do not determine a line; the text says why."""


class PublishedRun(Struct, frozen=True, eq=False):
    """A run of another program, and the path of its track on the plane of the fit."""

    path: Path
    duration: float  # s
    end: float  # s since 1970, cut to a second


class Fit(Struct, frozen=True):
    """A line and how well it explains the runs."""

    line: Line
    runs: int
    explained: int  # runs whose duration it gives as exactly as usual
    median: float  # s between its durations and the published ones
    place: float  # m: standard error of the line's place across it, in the middle of the crossings
    turn: float  # degrees: standard error of its direction


class _Tables(Struct, frozen=True, eq=False):
    """For each run and each likely time of its start: where that is, and by how much the run is too long."""

    east: Values  # m
    north: Values
    late: Values  # s


def fit_line(runs: Sequence[PublishedRun], plane: Plane, length: float) -> Fit:
    """Return the line from which the rule gives the published durations. Raises FitError."""
    tables = _tables(runs, length)
    if len(tables.late) < MIN_RUNS:
        raise FitError(f"{len(tables.late)} of {len(runs)} runs lie on their tracks; {MIN_RUNS} are needed")
    guess = _first_guess(tables)
    angle, offset, covariance = _refined(tables, *guess)
    late, along = _crossed(tables, angle, offset)
    known = ~np.isnan(late)
    explained = np.abs(np.nan_to_num(late, nan=math.inf)) <= EXPLAINED * _usual(tables, angle, offset)
    if np.count_nonzero(explained) < MIN_RUNS:
        raise FitError("no line explains the durations: are these runs of these tracks, on one course of one day?")
    line = _line(plane, angle, offset, along[explained])
    middle = float(along[explained].mean())
    lever = np.array([-middle, 1.0])
    return Fit(
        line=line,
        runs=len(runs),
        explained=int(np.count_nonzero(explained)),
        median=float(np.median(np.abs(late[known]))),
        place=float(np.sqrt(lever @ covariance @ lever)),
        turn=math.degrees(float(np.sqrt(covariance[0, 0]))),
    )


def _tables(runs: Sequence[PublishedRun], length: float) -> _Tables:
    east, north, late = [], [], []
    for run in runs:
        times = run.end + 0.5 - run.duration + TIMES
        if len(run.path) < TWO or times[0] < run.path.time[0] or times[-1] > run.path.time[-1]:
            continue
        ends = [end_of(run.path, float(time), length) for time in times]
        if None in ends:
            continue
        east.append(np.interp(times, run.path.time, run.path.east))
        north.append(np.interp(times, run.path.time, run.path.north))
        late.append(np.array(ends, float) - times - run.duration)
    empty = np.zeros((0, len(TIMES)))
    return _Tables(*(np.array(rows) if rows else empty for rows in (east, north, late)))


def _crossed(tables: _Tables, angle: float, offset: float) -> tuple[Values, Values]:
    """Return by how much each run is too long if it begins on a line, and where along the line; NaN if it does not.

    The line is where east * sin(angle) + north * cos(angle) = offset: its normal is at `angle`.
    """
    across = tables.east * math.sin(angle) + tables.north * math.cos(angle) - offset
    rows = np.arange(len(across))
    change = (across[:, 1:] >= 0) & (across[:, :-1] < 0)
    step = change.argmax(axis=1)
    none = ~change.any(axis=1)
    before, after = across[rows, step], across[rows, step + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(none, np.nan, before / (before - after))

    def at(table: Values) -> Values:
        found: Values = table[rows, step] + part * (table[rows, step + 1] - table[rows, step])
        return found

    along = at(tables.east) * math.cos(angle) - at(tables.north) * math.sin(angle)
    return at(tables.late), along


def _first_guess(tables: _Tables) -> tuple[float, float]:
    """Return angle and offset of the line through two runs that explains the most runs."""
    roots = _roots(tables)
    if len(roots) < TWO:
        raise FitError("the durations fit no start near the published ends: is the file's time zone right?")
    heading = _mean_heading(tables)
    chosen = np.random.default_rng(1).integers(0, len(roots), (TRIALS, 2))
    best, most = (heading, float(roots.mean(axis=0) @ (math.sin(heading), math.cos(heading)))), -1.0
    for one, other in chosen.tolist():
        east, north = roots[other] - roots[one]
        if math.hypot(east, north) < 1:
            continue
        angle = math.atan2(-north, east)  # of the normal: 90 degrees left of the line
        if math.cos(angle - heading) < 0:
            angle += math.pi
        offset = float(roots[one] @ (math.sin(angle), math.cos(angle)))
        late, _ = _crossed(tables, angle, offset)
        weight = float(_weights(np.nan_to_num(late, nan=1.0), _usual(tables, angle, offset)).sum())
        if weight > most:
            best, most = (angle, offset), weight
    return best


def _roots(tables: _Tables) -> Values:
    """Return places (east, north) at which a run can have begun to take as long as published."""
    late = tables.late
    rows, steps = np.nonzero((late[:, 1:] >= 0) != (late[:, :-1] >= 0))
    part = late[rows, steps] / (late[rows, steps] - late[rows, steps + 1])
    return np.stack(
        [
            table[rows, steps] + part * (table[rows, steps + 1] - table[rows, steps])
            for table in (tables.east, tables.north)
        ],
        axis=1,
    )


def _mean_heading(tables: _Tables) -> float:
    east, north = (table[:, -1] - table[:, 0] for table in (tables.east, tables.north))
    return math.atan2(float(east.sum()), float(north.sum()))


def _refined(tables: _Tables, angle: float, offset: float) -> tuple[float, float, NDArray[np.float64]]:
    """Improve a line by least squares, in which runs that are far off hardly count."""
    covariance: NDArray[np.float64] = np.eye(2)
    for _ in range(ROUNDS):
        late, _ = _crossed(tables, angle, offset)
        turned, _ = _crossed(tables, angle + TURN, offset)
        moved, _ = _crossed(tables, angle, offset + NUDGE)
        known = ~(np.isnan(late) | np.isnan(turned) | np.isnan(moved))
        if np.count_nonzero(known) < MIN_RUNS:
            break
        jacobian = np.stack([(turned - late)[known] / TURN, (moved - late)[known] / NUDGE], axis=1)
        usual = np.hypot(ROUNDED, BLURRED * jacobian[:, 1])
        weights = _weights(late[known], usual) / usual**2
        try:
            inverse = np.linalg.inv(jacobian.T @ (jacobian * weights[:, None]))
        except np.linalg.LinAlgError:
            raise FitError("the runs do not determine a line: they all began at one place") from None
        step = -inverse @ (jacobian.T @ (weights * late[known]))
        angle, offset = angle + float(step[0]), offset + float(step[1])
        variance = float((weights * late[known] ** 2).sum() / max(1, np.count_nonzero(known) - 2))
        covariance = np.asarray(inverse * variance, np.float64)
        if abs(step[0]) < TURN / 1e4 and abs(step[1]) < NUDGE / 1e4:
            break
    return angle, offset, covariance


def _usual(tables: _Tables, angle: float, offset: float) -> Values:
    """Return by how many s the duration of each run is usually off: the more, the more it depends on the start."""
    late, moved = (_crossed(tables, angle, place)[0] for place in (offset, offset + NUDGE))
    usual: Values = np.hypot(ROUNDED, BLURRED * np.nan_to_num((moved - late) / NUDGE))
    return usual


def _weights(late: Values, usual: Values) -> Values:
    """Return Cauchy weights: 1 for a run that is exact, 0 for one that is far off."""
    weights: Values = 1 / (1 + (late / usual) ** 2)
    return weights


def _line(plane: Plane, angle: float, offset: float, along: Values) -> Line:
    ends = []
    for place in (float(along.min()) - MARGIN, float(along.max()) + MARGIN):
        east = offset * math.sin(angle) + place * math.cos(angle)
        north = offset * math.cos(angle) - place * math.sin(angle)
        ends.append(plane.position(east, north))
    return Line((ends[0], ends[1]), round(math.degrees(angle) % 360, 2))
