"""What makes the figures of a track doubtful: for each best, and in lines for the whole track.

The limits are the default filters of the programs that the field uses. Nothing is left out: a doubtful best is said to
be one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import compress
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sse_twisted.runtime.text import plural
from sse_twisted.tracks.evidence import WEEK_ROLLOVER, is_rolled_over
from sse_twisted.tracks.format import NO_HDOP, Mask, SpeedSource, Times, Track
from sse_twisted.tracks.grid import usable
from sse_twisted.tracks.moments import utc
from sse_twisted.tracks.session import Session, knots

WELL_ABOVE: Final = 2  # times the logging threshold: a speed does not fall below the threshold within one fix
JITTER: Final = 5  # ms; the times of ESP loggers jitter by 1
ENDS_EARLY: Final = 1000  # ms; firmware 3109 and 3111 stop 600 ms before the end
EXTRA_FIXES: Final = 5  # in unfiltered logs, beyond frequency times duration
REMARKED: Final = ("2s", "10s", "500m")
# m/s², by the rate in Hz from which on they hold; public: https://logiqx.github.io/gps-wizard/filtering/
MAX_RISES: Final = {0: 4, 2: 8, 6: 16}
LOST: Final = 2000  # ms; spikes come when a receiver has lost the satellites, often behind a longer gap
SHORT: Final = 3  # s, within which a spike falls again
REPEATS: Final = 5  # equal speeds in a row at 1 Hz; a COROS repeats one for up to 13 s
MIN_REPEATED: Final = 2572  # mm/s, 5 knots: a rider who stands has equal speeds
MAX_SPEED: Final = 36_000  # mm/s, 70 knots; the record under sail is 65.45


class Doubt(StrEnum):
    """A reason to doubt one best."""

    SPIKE = "spike"  # speed rises faster than anybody can sail
    REPEATED = "repeated"  # a watch stores its last speed again and again
    SPEED_ERROR = "speed error"
    HDOP = "HDOP"
    SATELLITES = "satellites"


Doubts: TypeAlias = Mapping[str, tuple[tuple[Doubt, ...], ...]]


def doubts_of(track: Track, session: Session, spikes: Mask) -> Doubts:
    """Return the doubts of each best, in the order of `session.bests`; `spikes` are those of `spikes_of`."""
    bests = [best for of_name in session.bests.values() for best in of_name]
    fixes, accuracy = track.fixes, track.accuracy
    within = _windows(fixes.time, [best.start for best in bests], [best.end for best in bests])
    poor = {Doubt.SPIKE: within(spikes) > 0}
    if track.rate == 1:
        poor[Doubt.REPEATED] = 2 * within(repeated_in(track)) > within(np.ones(len(fixes), np.bool_))
    if fixes.speed_error is not None:
        poor[Doubt.SPEED_ERROR] = within(fixes.speed_error > accuracy.max_speed_error) > 0
        poor[Doubt.SPEED_ERROR] |= within(fixes.speed_error.astype(np.int64) - accuracy.max_mean_error) > 0
    if fixes.hdop is not None:
        poor[Doubt.HDOP] = within((fixes.hdop > accuracy.max_hdop) & (fixes.hdop != NO_HDOP)) > 0
    if fixes.satellites is not None:
        poor[Doubt.SATELLITES] = within(fixes.satellites < accuracy.min_satellites) > 0
    of_bests = iter(zip(*(mask.tolist() for mask in poor.values()), strict=True))
    return {
        name: tuple(tuple(compress(poor, next(of_bests))) for _ in of_name) for name, of_name in session.bests.items()
    }


def spikes_of(track: Track) -> Mask:
    """Tell for each fix whether it is faster than can be sailed.

    That is above MAX_SPEED, or a rise from the usable fix before it that nobody can sail and that soon is half gone. A
    fall alone is none: people crash.
    """
    fixes = track.fixes
    counted = usable(fixes, track.rules)
    which = np.flatnonzero(counted)
    speed = fixes.speed[which].astype(np.int64)
    steps = np.diff(fixes.time[which])
    limit = next(rise for rate, rise in reversed(MAX_RISES.items()) if track.rate >= rate)
    rises = np.diff(speed)
    fast = speed > MAX_SPEED
    rising = np.flatnonzero((rises > limit * np.minimum(steps, LOST)) & (steps > 0))  # mm/s in ms are m/s²
    for later in range(2, 2 + SHORT * max(1, track.rate)):
        at = np.minimum(rising + later, len(speed) - 1)
        fast[rising[speed[rising + 1] - speed[at] > rises[rising] / 2] + 1] = True
    spikes = np.zeros(len(fixes), np.bool_)
    spikes[which[fast]] = True
    return spikes


def repeated_in(track: Track) -> Mask:
    """Tell for each fix whether it is one of REPEATS or more with the same speed, in a track of 1 Hz."""
    repeated = np.zeros(len(track.fixes), np.bool_)
    if track.rate != 1:
        return repeated
    which = np.flatnonzero(usable(track.fixes, track.rules))
    speed = track.fixes.speed[which]
    begins = np.flatnonzero(np.append(True, np.diff(speed.astype(np.int64)) != 0)) if len(speed) else which
    counts = np.repeat(np.diff(begins, append=len(speed)), np.diff(begins, append=len(speed)))
    repeated[which[(counts >= REPEATS) & (speed > MIN_REPEATED)]] = True
    return repeated


def _windows(time: Times, starts: Sequence[int], ends: Sequence[int]) -> Callable[[NDArray[Any]], NDArray[np.int64]]:
    """Return a function that sums a column up from the first to the last fix of each window; times may go back."""
    order = slice(None) if (np.diff(time) >= 0).all() else time.argsort()
    time = time[order]
    first, stop = np.searchsorted(time, starts), np.searchsorted(time, ends, side="right")

    def within(column: NDArray[Any]) -> NDArray[np.int64]:
        if not column.any():
            return np.zeros(len(first), np.int64)
        total = np.concatenate([[0], np.cumsum(column[order], dtype=np.int64)])
        sums: NDArray[np.int64] = total[stop] - total[first]
        return sums

    return within


def remarks_on(track: Track, session: Session | None, of_session: Mask, doubts: Doubts, spikes: Mask) -> Iterator[str]:
    """Yield one line for each doubt of the track; `of_session` is that of `session.in_time`."""
    yield from track.remarks
    if len(track.fixes) and track.speeds is SpeedSource.POSITIONS:
        yield "its speeds are made from positions, not measured (Doppler)"
    if session is not None:
        yield from _remarks_on_bests(track, session, doubts, spikes)
    if track.device.lag and len(track.fixes):
        name = track.device.model or "this device"
        yield f"speeds of {name} lag by about {track.device.lag / 1000:.0f} s: mind it at gates"
    yield from _remarks_on_time(track, of_session)


def _remarks_on_bests(track: Track, session: Session, doubts: Doubts, spikes: Mask) -> Iterator[str]:
    time = track.fixes.time
    for name in REMARKED:
        for best, of_best in list(zip(session.bests.get(name, ()), doubts.get(name, ()), strict=True))[:1]:
            if of_best:
                yield from _remarks_on_best(name, of_best, track, (time >= best.start) & (time <= best.end))
    fastest = np.flatnonzero((track.fixes.speed == session.maximum) & spikes)
    if len(fastest):
        when = utc(int(time[fastest[0]]))
        yield f"the fastest fix is a spike: {knots(session.maximum):.1f} knots at {when} UTC"


def _remarks_on_best(name: str, doubts: Collection[Doubt], track: Track, window: Mask) -> Iterator[str]:
    fixes = track.fixes[window]
    if Doubt.SPIKE in doubts:
        yield f"best {name} has a spike: its speed rises faster than anybody can sail"
    if Doubt.REPEATED in doubts:
        yield f"best {name} is of one speed that is repeated {REPEATS} times or more"
    if Doubt.SPEED_ERROR in doubts and fixes.speed_error is not None:
        error = float(fixes.speed_error.mean())
        if error <= track.accuracy.max_mean_error:
            error = float(fixes.speed_error.max())
        yield f"best {name} is known to ±{knots(error):.1f} knots only"
    if Doubt.HDOP in doubts and fixes.hdop is not None:
        yield f"best {name} has fixes of HDOP {int(fixes.hdop[fixes.hdop != NO_HDOP].max()) / 100:.1f}"
    if Doubt.SATELLITES in doubts and fixes.satellites is not None:
        yield f"best {name} has fixes of {plural(int(fixes.satellites.min()), 'satellite')}"


def _remarks_on_time(track: Track, of_session: Mask) -> Iterator[str]:
    times = track.fixes.time
    if not len(times):
        return
    if is_rolled_over(times):
        first = int(times[0])
        true = utc(first + WEEK_ROLLOVER)[:10]
        yield f"dated {utc(first)[:10]}; a new file of that date is 1,024 weeks early (GPS week rollover): {true}"
    steps = np.diff(times)
    back = np.flatnonzero(steps < -JITTER)
    if len(back):
        first = int(back[0])
        yield f"time goes back by {-int(steps[first]) / 1000:,.1f} s at byte {track.offsets[first + 1]:,}"
    strange = np.flatnonzero(~of_session)
    if len(strange):
        first = int(strange[0])
        count, when = plural(len(strange), "fix", "fixes"), utc(int(times[first]))
        yield f"{count} of another time, left out: the first of {when} UTC at byte {track.offsets[first]:,}"
    if track.rate:
        yield from _remarks_on_gaps(track)
    header = track.header
    if header is None or not header.end_date or track.rules.logging_threshold:
        return
    early = header.end_date - int(times[-1])
    if early > ENDS_EARLY:
        yield f"ends {early / 1000:,.1f} s before its header says"
    if len(times) > track.rate * (header.end_date - header.start_date) / 1000 + EXTRA_FIXES:
        yield f"has {len(times):,} fixes, more than {track.rate} a second"


def _remarks_on_gaps(track: Track) -> Iterator[str]:
    """Describe time without fixes; where slow fixes are not stored, only between fixes well above the threshold."""
    fixes, threshold = track.fixes, track.rules.logging_threshold
    steps = np.diff(fixes.time)
    gaps = steps > 1500 // track.rate
    if threshold:
        counted = usable(fixes, track.rules) & (fixes.speed > WELL_ABOVE * threshold)
        gaps &= counted[:-1] & counted[1:]
    lost = steps[gaps] - 1000 // track.rate
    if not len(lost):
        return
    longest = int(np.flatnonzero(gaps)[lost.argmax()])
    above = f" at more than {knots(WELL_ABOVE * threshold):.0f} knots" if threshold else ""
    count = "a gap" if len(lost) == 1 else f"{len(lost):,} gaps"
    yield f"{count} of {lost.sum() / 1000:,.1f} s{above}, the longest from {utc(int(fixes.time[longest]))} UTC on"
