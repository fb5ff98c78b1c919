"""Ledger entries and listed logs as frozen values for tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from sse_twisted.event_folder.naming import MM_PER_KM, MM_PER_S, MS_PER_HOUR, EventTrack
from sse_twisted.tracks.report import totals_of

MAX_FIGURE = 2**62  # larger figures, in the ledger of another program, count as 0


class TrackReport(Struct, frozen=True):
    """One entry of a ledger, or a listed log of another time than the event's."""

    identifier: int
    name: str
    status: str  # as in the ledger, or "of another time"
    outcome: str  # verified, unverified, damaged, or ""
    size: int  # bytes, as listed
    hours: float  # these three figures are as listed, unless `measured`
    kilometres: float
    knots: float  # best over 500 m
    remark: str  # the damage
    local_file: str  # below the event folder
    motion_file: str  # its path on the device
    measured: bool = False  # whether the figures are of its fixes, because its device never finalised it
    unlisted: bool = False  # whether its device no longer lists it, and it was never fetched


def entry_report(
    identifier: int, name: str, entry: Mapping[str, Any], report: Mapping[str, Any] | None = None
) -> TrackReport:
    """Return the report of a ledger entry, ours or the original's; invalid figures count as 0.

    `report` is the measured one in `tracks.json`. Its figures replace the listed ones if the log was never finalised.
    """
    report = still_valid(entry, report)
    totals = totals_of(report) if report is not None and entry.get("end_date") == 0 else None
    return TrackReport(
        identifier,
        name,
        status=_text(entry, "status"),
        outcome=_text(entry, "outcome"),
        size=int(number_of(entry, "size")),
        hours=(totals.duration if totals else number_of(entry, "duration")) / MS_PER_HOUR,
        kilometres=(totals.distance if totals else number_of(entry, "distance")) / MM_PER_KM,
        knots=(totals.best_500m if totals else number_of(entry, "500m_best")) / MM_PER_S,
        remark=_text(entry, "damage"),
        local_file=_text(entry, "local_file"),
        motion_file=_text(entry, "motion_file"),
        measured=totals is not None,
        unlisted="unlisted" in entry,
    )


def still_valid(entry: Mapping[str, Any], report: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the report of a track, None if it describes an earlier version than the ledger entry."""
    return report if report is not None and entry.get("sha256", report["sha256"]) == report["sha256"] else None


def log_report(track: EventTrack) -> TrackReport:
    """Return the report of a listed log of another time than the event's."""
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
    """Return a figure of an entry; 0 if it is not a number or too large."""
    value = entry.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return value if abs(value) <= MAX_FIGURE else 0.0


def _text(entry: Mapping[str, Any], key: str) -> str:
    return str(entry.get(key) or "")
