"""The analysis of a track file: integrity, results, the check of its claims, and what looks wrong."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import numpy as np
from attrs import frozen

from sse_twisted.runtime.text import plural
from sse_twisted.tracks.bests import Measures
from sse_twisted.tracks.claims import Claim, check_claims
from sse_twisted.tracks.format import Buffer, Damage, Fixes, Mask, Track
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.grid import on_grid, usable, widened
from sse_twisted.tracks.session import Session, in_time, knots, session_of

POOR_ACCURACY: Final = 500  # mm/s on average in a best; the worst of 13 real sessions has 371
FEW_SATELLITES: Final = 9  # the fewest in a best of 13 real sessions
WELL_ABOVE: Final = 2  # times the logging threshold: a speed does not fall below the threshold within one fix
JITTER: Final = 5  # ms; the times of ESP loggers jitter by 1
ENDS_EARLY: Final = 1000  # ms; firmware 3109 and 3111 stop 600 ms before the end
EXTRA_FIXES: Final = 5  # in unfiltered logs, beyond frequency times duration


@frozen
class Loss:
    """Damage and the fixes that it can have cost.

    `since` and `until` are the times (ms UTC) of the sound fixes before and after it, None where there is none.
    """

    damage: Damage
    fixes: int  # the number for which there was room
    since: int | None
    until: int | None


@frozen(eq=False)
class Analysis:
    """The result of an analysis. There are no claims without a sound header, and no session without fixes.

    `unusable` is the number of fixes that the device does not count. Each of the `remarks` is one line, and a reason
    to look at the track.
    """

    track: Track
    session: Session | None
    claims: tuple[Claim, ...]
    losses: tuple[Loss, ...]
    unusable: int
    remarks: tuple[str, ...]


def analyse(data: Buffer, path: str = "") -> Analysis:
    """Analyse a file of any kind; `path` helps to find its format. Raises nothing, whatever the bytes are."""
    track = decode(data, path)
    of_session = in_time(track.fixes.time)
    session = None
    claims: tuple[Claim, ...] = ()
    if track.rate and len(track.fixes):
        fixes = track.fixes if of_session.all() else track.fixes[of_session]
        measures = Measures(on_grid(fixes, track.rate, track.rules))
        header, received = track.header, None
        if header is not None:
            claims = check_claims(header, fixes, measures, track.rules)
            if header.end_date:
                received = widened(measures.grid, header.start_date, header.end_date)
        session = session_of(measures, track.rules, received)
    remarks = (
        *_remarks_on_claims(claims),
        *_remarks_on_accuracy(track.fixes, session),
        *_remarks_on_time(track, of_session),
    )
    unusable = int(np.count_nonzero(~usable(track.fixes, track.rules)))
    return Analysis(track, session, claims, _losses(track), unusable, remarks)


def utc(milliseconds: int) -> str:
    """Return a time in ms UTC as text, without the zone; the number itself if it is outside the calendar."""
    try:
        moment = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _losses(track: Track) -> tuple[Loss, ...]:
    times = track.fixes.time

    def loss(damage: Damage) -> Loss:
        following = bisect_left(track.offsets, damage.offset)  # the first sound fix behind it
        since = int(times[following - 1]) if following else None
        until = int(times[following]) if following < len(times) else None
        return Loss(damage, -(-damage.length // track.fix_size), since, until)

    return tuple(loss(damage) for damage in track.integrity.damages)


def _remarks_on_claims(claims: tuple[Claim, ...]) -> Iterator[str]:
    """Yield one line for each discipline: the boldest claim."""
    doubtful = [claim for claim in claims if claim.is_doubtful]
    for name in dict.fromkeys(claim.name for claim in doubtful):
        claim = max((claim for claim in doubtful if claim.name == name), key=_boldness)
        at = f" at {utc(claim.second * 1000)} UTC" if claim.second else ""
        nearest = "nothing" if claim.found is None else _figure(name, claim.found)
        limit = "at most" if claim.is_above else "at least"
        yield f"claims {_figure(name, claim.value)} ({name}){at}, its fixes give {limit} {nearest}"


def _boldness(claim: Claim) -> tuple[bool, int]:
    return claim.is_above, abs(claim.value - (claim.found or 0))


def _figure(name: str, value: int) -> str:
    return f"{value / 1_000_000:,.3f} km" if name == "distance" else f"{knots(value):.3f} knots"


def _remarks_on_accuracy(fixes: Fixes, session: Session | None) -> Iterator[str]:
    if session is None:
        return
    for name in ("2s", "10s", "500m"):
        for best in session.bests.get(name, ())[:1]:
            window = (fixes.time >= best.start) & (fixes.time <= best.end)
            if fixes.speed_error is not None:
                error = float(fixes.speed_error[window].mean()) if window.any() else 0.0
                if error > POOR_ACCURACY:
                    yield f"best {name} is known to ±{knots(error):.1f} knots only"
            if fixes.satellites is not None:
                satellites = int(fixes.satellites[window].min(initial=99))
                if satellites < FEW_SATELLITES:
                    yield f"best {name} has fixes of {plural(satellites, 'satellite')}"


def _remarks_on_time(track: Track, of_session: Mask) -> Iterator[str]:
    times = track.fixes.time
    if not len(times):
        return
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
