"""The analysis of a track file: integrity, results, the check of its claims, and what looks wrong."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from sse_twisted.tracks.bests import Measures
from sse_twisted.tracks.claims import Claim, check_claims
from sse_twisted.tracks.doubts import Doubts, doubts_of, remarks_on, spikes_of
from sse_twisted.tracks.format import Buffer, Damage, Track
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.grid import on_grid, usable, widened
from sse_twisted.tracks.moments import utc
from sse_twisted.tracks.session import Session, in_time, knots, session_of


class Loss(Struct, frozen=True):
    """Damage and the fixes that it can have cost.

    `since` and `until` are the times (ms UTC) of the sound fixes before and after it, None where there is none.
    """

    damage: Damage
    fixes: int  # the number for which there was room
    since: int | None
    until: int | None


class Analysis(Struct, frozen=True, eq=False):
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
    doubts: Doubts  # of each best of the session


def analyse(data: Buffer, path: str = "") -> Analysis:
    """Analyse a file of any kind; `path` helps to find its format. Raises nothing, whatever the bytes are."""
    return analyse_track(decode(data, path))


def analyse_track(track: Track) -> Analysis:
    """Analyse a decoded file, or a part of its fixes."""
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
    spikes = spikes_of(track)
    doubts = doubts_of(track, session, spikes) if session else {}
    remarks = (
        *_remarks_on_claims(claims),
        *remarks_on(track, session, of_session, doubts, spikes),
    )
    unusable = int(np.count_nonzero(~usable(track.fixes, track.rules)))
    return Analysis(track, session, claims, _losses(track), unusable, remarks, doubts)


def _losses(track: Track) -> tuple[Loss, ...]:
    times = track.fixes.time

    def loss(damage: Damage) -> Loss:
        following = bisect_left(track.offsets, damage.offset)  # the first sound fix behind it
        since = int(times[following - 1]) if following else None
        until = int(times[following]) if following < len(times) else None
        room = -(-damage.length // track.fix_size) if damage.hides_fixes else 0
        return Loss(damage, room, since, until)

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
