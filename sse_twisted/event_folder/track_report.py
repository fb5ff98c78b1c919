"""What a ledger says of a track, as frozen values for tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from sse_twisted.event_folder.naming import MM_PER_KM, MM_PER_S, MS_PER_HOUR, EventTrack
from sse_twisted.tracks.report import totals_of

LARGEST_FIGURE = 2**62  # a ledger of another program may have larger ones


@frozen
class TrackReport:
    """One entry of a ledger, or a log that a device lists and nobody wants."""

    identifier: int
    name: str
    status: str  # of the ledger; "skipped", or "of another time" where nobody asked for it
    outcome: str  # verified, unverified, damaged, or ""
    size: int  # bytes, as listed
    hours: float  # as the device says, like the two that follow
    kilometres: float
    knots: float  # best over 500 m
    remark: str  # what is damaged
    local_file: str  # below the event folder
    motion_file: str  # its path on the device
    measured: bool = False  # whether hours, km and knots are those of its fixes: its device never finalised it


def entry_report(
    identifier: int, name: str, entry: Mapping[str, Any], report: Mapping[str, Any] | None = None
) -> TrackReport:
    """Of an entry of the ledger, the original's as well; a figure that is none counts as 0.

    `report` is what its bytes say, as `tracks.json` has it: that stands in where the device never finalised the log.
    """
    listed = _as_listed(identifier, name, entry)
    report = still_valid(entry, report)
    if report is None or entry.get("end_date") != 0 or (totals := totals_of(report)) is None:
        return listed
    return evolve(
        listed,
        hours=totals.duration / MS_PER_HOUR,
        kilometres=totals.distance / MM_PER_KM,
        knots=totals.best_500m / MM_PER_S,
        measured=True,
    )


def still_valid(entry: Mapping[str, Any], report: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The report of a track, unless it is of an earlier version than the ledger's entry."""
    return report if report is not None and entry.get("sha256", report["sha256"]) == report["sha256"] else None


def _as_listed(identifier: int, name: str, entry: Mapping[str, Any]) -> TrackReport:
    return TrackReport(
        identifier,
        name,
        status=_text(entry, "status"),
        outcome=_text(entry, "outcome"),
        size=int(number_of(entry, "size")),
        hours=number_of(entry, "duration") / MS_PER_HOUR,
        kilometres=number_of(entry, "distance") / MM_PER_KM,
        knots=number_of(entry, "500m_best") / MM_PER_S,
        remark=_text(entry, "damage"),
        local_file=_text(entry, "local_file"),
        motion_file=_text(entry, "motion_file"),
    )


def log_report(track: EventTrack) -> TrackReport:
    """Of a log that the device lists, from another time than the event's."""
    log = track.log
    return TrackReport(
        track.identifier,
        track.name,
        status="of another time",
        outcome="",
        size=log.size,
        hours=log.duration / MS_PER_HOUR,
        kilometres=log.distance / MM_PER_KM,
        knots=(log.claim("500m") or 0) / MM_PER_S,
        remark="",
        local_file=track.local_file,
        motion_file=log.file,
    )


def number_of(entry: Mapping[str, Any], key: str) -> float:
    """Return a figure of an entry; 0 if it is not a number, or one that is too large to calculate with."""
    value = entry.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return value if abs(value) <= LARGEST_FIGURE else 0.0


def _text(entry: Mapping[str, Any], key: str) -> str:
    return str(entry.get(key) or "")
