"""Every best of a track by trying all windows, one after the other: what `bests`, `windows` and `alpha` must find.

Nothing here is shared with them. A track is two lists with one item for each time at which a fix was due, whether it is
there or not. That is slow, and easy to check against the definitions in the manual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from sse_twisted.tracks.bests import Speed
from sse_twisted.tracks.format import Fixes, Rules

Window = tuple[int, int, int]  # speed in 1/parts of a mm/s, first and last place
SLOW = 2572  # mm/s, 5 knots


@frozen(eq=False)
class Dense:
    """A track by places: 0 is the time of its first fix, or when the device began to receive."""

    start: int  # ms UTC of place 0
    rate: int
    parts: int
    present: NDArray[np.bool_]
    speed: NDArray[np.int64]  # mm/s; 0 where nothing is
    moving: NDArray[np.int64]  # mm/s; 0 where it may stand still
    course: NDArray[np.float64]  # degrees
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]

    def place(self, time: int) -> int:
        return round((time - self.start) * self.rate / 1000)


def dense(fixes: Fixes, rate: int, rules: Rules, received: tuple[int, int] | None = None) -> Dense:
    """Lay out the fixes that count, between the times (ms UTC) at which the device began and ended to receive."""
    counted = np.ones(len(fixes), np.bool_)
    for column, limit, sign in (
        (fixes.fix, rules.min_fix, 1),
        (fixes.satellites, rules.min_satellites, 1),
        (fixes.speed_error, -rules.max_speed_error, -1),
    ):
        if column is not None:
            counted &= sign * column.astype(np.int64) >= limit
    kept = np.flatnonzero(counted | rules.unusable_stands)
    time = fixes.time[kept]
    first, last = int(time.min()), int(time.max())
    before = max(0, first - received[0]) * rate // 1000 if received else 0
    length = before + round((max(last, received[1] if received else last) - first) * rate // 1000) + 1
    at = before + np.floor((time - first) * rate / 1000 + 0.5).astype(np.int64)
    speed = np.where(counted[kept], fixes.speed[kept], 0).astype(np.int64)
    error = np.zeros(len(kept)) if fixes.speed_error is None else fixes.speed_error[kept]
    course = np.zeros(len(kept)) if fixes.course is None else fixes.course[kept] / 1e5
    columns = {
        "present": np.ones(len(kept), np.bool_),
        "speed": speed,
        "moving": np.where(speed > error, speed, 0),
        "course": course,
        "latitude": np.radians(fixes.latitude[kept]),
        "longitude": np.radians(fixes.longitude[kept]),
    }
    laid = {name: np.zeros(length, column.dtype) for name, column in columns.items()}
    for name, column in columns.items():
        laid[name][at] = column
    return Dense(first - before * 1000 // rate, rate, rules.parts, **laid)


def windows_of_time(track: Dense, seconds: int) -> Iterator[Window]:
    """Every window of so many seconds without a missing fix."""
    count = seconds * track.rate
    for start in range(len(track.speed) - count + 1):
        window = slice(start, start + count)
        if track.present[window].all():
            yield int(track.speed[window].sum()) * track.parts // count, start, start + count - 1


def windows_of_distance(track: Dense, metres: int) -> Iterator[Window]:
    """For each fix, the window of the fewest places that ends there and reaches the distance."""
    needed = metres * 1000 * track.rate
    fixes = np.flatnonzero(track.present)
    speed = track.speed[fixes]
    for last in range(len(fixes)):
        reach, travelled = 500, np.zeros(1, np.int64)
        while travelled[-1] < needed and reach < 2 * last + 1000:
            travelled = np.cumsum(speed[max(0, last + 1 - reach) : last + 1][::-1])
            reach *= 2
        if travelled[-1] >= needed:
            count = int(np.argmax(travelled >= needed)) + 1
            start, end = int(fixes[last + 1 - count]), int(fixes[last])
            yield int(travelled[count - 1]) * track.parts // (end + 1 - start), start, end


def windows_of_an_hour(track: Dense) -> Iterator[Window]:
    """Every window of 3600 s; what is missing or may stand still counts as 0."""
    count = 3600 * track.rate
    for start in range(len(track.moving) - count + 1):
        yield int(track.moving[start : start + count].sum()) * track.parts // count, start, start + count - 1


def windows_of_alpha(track: Dense) -> Iterator[Window]:
    """Every path of 100 to 500 m without a slow fix that ends within 50 m of its start, its course turned by 90°."""
    at = np.flatnonzero(track.present)
    travelled = np.cumsum(track.speed[at])
    slow_ones = np.cumsum(np.append(0, track.speed[at] < 1000))
    for count in range(1, min(500 * track.rate, len(at) - 1) + 1):  # more are longer, since none is below 1 m/s
        paths = travelled[count:] - travelled[:-count]
        is_fast = slow_ones[count + 1 :] == slow_ones[: -count - 1]
        starts = np.flatnonzero(is_fast & (paths >= 100_000 * track.rate) & (paths <= 500_000 * track.rate))
        first, last = at[starts], at[starts + count]
        east = (track.longitude[first] - track.longitude[last]) * np.cos(track.latitude[last])
        apart = 6_371_009 * np.hypot(east, track.latitude[first] - track.latitude[last])
        turn = np.abs((track.course[first] - track.course[last] + 180) % 360 - 180)
        for path in np.flatnonzero((apart <= 50) & (turn >= 90 - 1e-9)).tolist():
            start, end = int(first[path]), int(last[path])
            yield int(paths[starts[path]]) * track.parts // (end - start), start, end


def runs_of(track: Dense, *, missing_is_slow: bool) -> list[int]:
    """The number of the run to which each place belongs: after three slow fixes in a row the next one begins."""
    runs, run, slow_ones = [], 0, 0
    for present, speed in zip(track.present.tolist(), track.speed.tolist(), strict=True):
        runs.append(run)
        is_slow = speed < SLOW if present else missing_is_slow
        slow_ones = slow_ones + 1 if is_slow else 0
        run += slow_ones == 3
    return runs


def check_bests(found: Sequence[Speed], windows: Sequence[Window], track: Dense, runs: Sequence[int] | None) -> None:
    """Assert that each of the five is as fast as any window that shares no place and no run with those before it."""
    speeds, starts, ends = np.array(windows, np.int64).reshape(-1, 3).T
    allowed = speeds > 0
    run = np.array(runs)[ends] if runs is not None and len(ends) else np.zeros(len(ends))
    for best in found:
        fastest = int(speeds[allowed].max())
        assert round(best.value * track.parts) == fastest
        start, end = track.place(best.start), track.place(best.end)
        is_it = allowed & (starts == start) & (ends == end)
        assert speeds[is_it].tolist() == [fastest]
        allowed &= (ends < start) | (starts > end)
        if runs is not None:
            allowed &= run != runs[end]
    assert len(found) == 5 or not allowed.any()
