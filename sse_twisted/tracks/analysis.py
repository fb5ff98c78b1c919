"""All that a track file says: its integrity, what was sailed, whether its claims hold, and what looks wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.ma
from attrs import frozen
from numpy.typing import NDArray

from sse_twisted.runtime.text import plural
from sse_twisted.tracks.bests import Measures
from sse_twisted.tracks.claims import Claim, check_claims
from sse_twisted.tracks.grid import on_grid, usable
from sse_twisted.tracks.oao.decoding import Track, decode
from sse_twisted.tracks.oao.firmware import Rules, rules_of
from sse_twisted.tracks.oao.integrity import Damage
from sse_twisted.tracks.oao.layout import FRAME_SIZE, Buffer
from sse_twisted.tracks.session import Session, frequency_of, in_time, knots, session_of

POOR_ACCURACY: Final = 500  # mm/s on average in a best; the worst of 13 real sessions has 371
FEW_SATELLITES: Final = 9  # the fewest in a best of 13 real sessions
WELL_ABOVE: Final = 2  # times the speed from which fixes are stored: nobody falls below it within one fix
JITTER: Final = 5  # ms; ESP loggers have 1
ENDS_EARLY: Final = 1000  # ms; firmware 3109 and 3111 stop 600 ms before the end
EXTRA_FIXES: Final = 5  # in unfiltered logs, beyond frequency times duration


@frozen
class Loss:
    """Damage, the number of fixes for which there was room in it, and the time between the sound ones around it in ms.

    `since` and `until` are ms UTC of the sound fixes before and after it, None where there is none.
    """

    damage: Damage
    frames: int
    since: int | None
    until: int | None

    @property
    def time(self) -> int | None:
        """Milliseconds from the sound fix before it to the one after it."""
        return self.until - self.since if self.since is not None and self.until is not None else None


@frozen(eq=False)
class Analysis:
    """What a file says. Without a sound header there are no claims, without fixes nothing was sailed.

    `frequency` is in Hz, 0 if unknown; `unusable` the number of fixes that count for nothing. `remarks` are one line
    each, for somebody who should look at the track.
    """

    track: Track
    rules: Rules
    frequency: int
    session: Session | None
    claims: tuple[Claim, ...]
    losses: tuple[Loss, ...]
    unusable: int
    remarks: tuple[str, ...]


def analyse(data: Buffer) -> Analysis:
    """Analyse a file of any kind; raises nothing for what is in it."""
    track = decode(data)
    header = track.header
    rules = rules_of(header.identifier, header.firmware) if header else Rules()
    frequency = frequency_of(header, track.frames)
    of_session = in_time(track.frames)
    session = None
    claims: tuple[Claim, ...] = ()
    if frequency and len(track.frames):
        frames = track.frames[of_session]
        measures = Measures(on_grid(frames, frequency, rules))
        session = session_of(measures, rules)
        claims = check_claims(header, frames, measures, rules) if header else ()
    remarks = (
        *_remarks_on_claims(claims),
        *_remarks_on_accuracy(track, session),
        *_remarks_on_time(track, of_session, frequency, rules),
    )
    unusable = int(np.count_nonzero(~usable(track.frames, rules)))
    return Analysis(track, rules, frequency, session, claims, _losses(track), unusable, remarks)


def utc(milliseconds: int) -> str:
    """A moment in ms UTC as text, behind which a finding says so; one that no calendar has as its number."""
    try:
        moment = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _losses(track: Track) -> tuple[Loss, ...]:
    starts = np.array([start for start, _ in track.runs], np.int64)
    counts = np.array([count for _, count in track.runs], np.int64)
    before = np.concatenate([[0], np.cumsum(counts)])
    times = track.frames["utc"].astype(np.int64)

    def loss(damage: Damage) -> Loss:
        index = int(before[np.searchsorted(starts, damage.offset)])  # of the first sound frame behind it
        since = int(times[index - 1]) if index else None
        until = int(times[index]) if index < len(times) else None
        return Loss(damage, -(-damage.length // FRAME_SIZE), since, until)

    return tuple(loss(damage) for damage in track.integrity.damages)


def _remarks_on_claims(claims: tuple[Claim, ...]) -> Iterator[str]:
    """One line for each name: the boldest."""
    worst: dict[str, Claim] = {}
    for claim in claims:
        if claim.is_doubtful:
            rival = worst.get(claim.name)
            if rival is None or _boldness(claim) > _boldness(rival):
                worst[claim.name] = claim
    for name, claim in worst.items():
        at = f" at {utc(claim.second * 1000)} UTC" if claim.second else ""
        nearest = "nothing" if claim.found is None else _figure(name, claim.found)
        limit = "at most" if claim.is_above else "at least"
        yield f"claims {_figure(name, claim.value)} ({name}){at}, its fixes give {limit} {nearest}"


def _boldness(claim: Claim) -> tuple[bool, int]:
    return claim.is_above, abs(claim.value - (claim.found or 0))


def _figure(name: str, value: int) -> str:
    return f"{value / 1_000_000:,.3f} km" if name == "distance" else f"{knots(value):.3f} knots"


def _remarks_on_accuracy(track: Track, session: Session | None) -> Iterator[str]:
    if session is None:
        return
    times = track.frames["utc"]
    for name in ("2s", "10s", "500m"):
        for best in session.bests.get(name, ())[:1]:
            window = track.frames[(times >= best.start) & (times <= best.end)]
            accuracy = float(window["speed_accuracy"].mean()) if len(window) else 0.0
            satellites = int(window["satellites"].min(initial=99))
            if accuracy > POOR_ACCURACY:
                yield f"best {name} is known to ±{knots(accuracy):.1f} knots only"
            if satellites < FEW_SATELLITES:
                yield f"best {name} has fixes of {plural(satellites, 'satellite')}"


def _remarks_on_time(track: Track, of_session: NDArray[np.bool_], frequency: int, rules: Rules) -> Iterator[str]:
    times = track.frames["utc"].astype(np.int64)
    if not len(times):
        return
    steps = np.diff(times)
    back = np.flatnonzero(steps < -JITTER)
    if len(back):
        first = int(back[0])
        yield f"time goes back by {-int(steps[first]) / 1000:,.1f} s at byte {track.offset(first + 1):,}"
    strange = np.flatnonzero(~of_session)
    if len(strange):
        first = int(strange[0])
        count, when = plural(len(strange), "fix", "fixes"), utc(int(times[first]))
        yield f"{count} of another time, left out: the first of {when} UTC at byte {track.offset(first):,}"
    if frequency:
        yield from _remarks_on_gaps(track, frequency, rules)
    header = track.header
    if header is None or not header.end_date or rules.stored_from:
        return
    early = header.end_date - int(times[-1])
    if early > ENDS_EARLY:
        yield f"ends {early / 1000:,.1f} s before its header says"
    if len(times) > frequency * (header.end_date - header.start_date) / 1000 + EXTRA_FIXES:
        yield f"has {len(times):,} fixes, more than {frequency} a second"


def _remarks_on_gaps(track: Track, frequency: int, rules: Rules) -> Iterator[str]:
    """Time without fixes; where slow ones are not stored, only if those at both ends are well above that."""
    frames = track.frames
    times, speeds = frames["utc"].astype(np.int64), frames["speed"].astype(np.int64)
    steps = np.diff(times)
    gaps = steps > 1500 // frequency
    if rules.stored_from:
        counted = usable(frames, rules) & (speeds > WELL_ABOVE * rules.stored_from)
        gaps &= counted[:-1] & counted[1:]
    lost = steps[gaps] - 1000 // frequency
    if not len(lost):
        return
    longest = int(np.flatnonzero(gaps)[lost.argmax()])
    above = f" at more than {knots(WELL_ABOVE * rules.stored_from):.0f} knots" if rules.stored_from else ""
    count = "a gap" if len(lost) == 1 else f"{len(lost):,} gaps"
    yield f"{count} of {lost.sum() / 1000:,.1f} s{above}, the longest from {utc(int(times[longest]))} UTC on"
