"""The best speeds of a day, confirmed by the tracks or as claimed by the devices.

The faster of two figures counts: the device's, unless the fixes contradict it, and that of the fixes. The fixes alone
may be too low over a mile, an hour or an alpha, because event firmware does not store slow fixes. The device's may be
too low there because it forgets what was before the end of a run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from sse_twisted.event_folder.naming import MM_PER_S
from sse_twisted.event_folder.track_report import MAX_FIGURE, still_valid
from sse_twisted.tracks.claims import ClaimCheck
from sse_twisted.tracks.report import best_of

# The ledger's key of the claim of the device (mm/s) in each discipline, "" if it has none.
DISCIPLINES = {
    "500m": "500m_best",
    "10s": "10s_best",
    "2s": "2s_best",
    "5x10s": "",
    "alpha500": "",
    "1852m": "",
    "1h": "",
}
CONFIRMED = (ClaimCheck.EXACT, ClaimCheck.WITHIN)


class Figure(Struct, frozen=True):
    """A speed in mm/s, and whether the fixes of the track confirm it."""

    speed: int
    verified: bool


class Place(Struct, frozen=True):
    """The place of a sailor in a discipline."""

    rank: Annotated[int, Meta(description="equal speeds share a rank, and the next ranks are skipped")]
    id: Annotated[int, Meta(description="number of the device")]
    sailor: str
    file_id: str
    knots: float
    verified: Annotated[bool, Meta(description="confirmed by the fixes of the track, not only claimed by the device")]
    track: Annotated[str, Meta(description="name of the track")]
    backup: Annotated[str, Meta(description="key of the hand-in, if the track was handed in")] = ""
    doppler: Annotated[bool, Meta(description="the speed was measured by the receiver, not made from positions")] = True


class Sailed(Struct, frozen=True):
    """A track of a sailor."""

    id: int
    sailor: str
    file_id: str
    track: str
    figures: Mapping[str, Figure]  # by discipline
    backup: str = ""  # key of the hand-in, if it was handed in
    doppler: bool = True  # whether its speeds were measured, not made from positions


def figures_of(entry: Mapping[str, Any], report: Mapping[str, Any] | None) -> dict[str, Figure]:
    """Return the figures of a track by discipline, from its entry in the ledger and its report in `tracks.json`."""
    report = still_valid(entry, report)
    figures = {discipline: _figure(discipline, entry.get(key), report) for discipline, key in DISCIPLINES.items()}
    return {discipline: figure for discipline, figure in figures.items() if figure is not None}


def _figure(discipline: str, listed: Any, report: Mapping[str, Any] | None) -> Figure | None:
    figures = []
    is_contradicted = False
    if report is not None:
        claim = report["claimed"].get(discipline)
        is_contradicted = claim is not None and claim["bearing"] == ClaimCheck.CONTRADICTED
        if claim is not None and claim["bearing"] in CONFIRMED:
            figures.append(Figure(claim["value"], True))
        if (measured := best_of(report, discipline)) is not None:
            figures.append(Figure(measured, True))
    if type(listed) is int and 0 < listed <= MAX_FIGURE and not is_contradicted:
        figures.append(Figure(listed, False))
    return max(figures, key=lambda figure: (figure.speed, figure.verified), default=None)


def ranking(tracks: Iterable[Sailed], discipline: str) -> tuple[Place, ...]:
    """Return the best of each sailor and device in a discipline, the fastest first."""
    best: dict[tuple[int, str], tuple[Figure, Sailed]] = {}
    for sailed in tracks:
        key, figure = (sailed.id, sailed.file_id), sailed.figures.get(discipline)
        if figure is not None and (key not in best or figure.speed > best[key][0].speed):
            best[key] = (figure, sailed)
    ordered = sorted(best.values(), key=lambda pair: (-pair[0].speed, pair[1].sailor, pair[1].id))
    order = [-figure.speed for figure, _ in ordered]
    return tuple(
        Place(
            rank=1 + bisect_left(order, -figure.speed),
            id=sailed.id,
            sailor=sailed.sailor,
            file_id=sailed.file_id,
            knots=figure.speed / MM_PER_S,
            verified=figure.verified,
            track=sailed.track,
            backup=sailed.backup,
            doppler=sailed.doppler,
        )
        for figure, sailed in ordered
    )
