"""The tile of a device on the board: a pure function of its snapshot, the roster and the day."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from sse_twisted.config.roster import Assignment, sharers_on
from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.naming import MM_PER_KM, MM_PER_S, MS_PER_HOUR
from sse_twisted.fleet import PRESENT, Device, Stage, TrackSummary
from sse_twisted.runtime.text import missing_of
from sse_twisted.web.transfers import Estimate


class Column(StrEnum):
    """The column of the board, and so the bucket on the bench, to which a device belongs."""

    LEFT_EARLY = "left-early"  # gone with tracks missing
    KEEP_ON = "keep-on"
    SWITCH_OFF = "switch-off"
    WORKING = "working"
    EXPECTED = "expected"  # today, and not seen yet
    GONE = "gone"  # collected or waived today
    ELSEWHERE = "elsewhere"  # neither present nor expected today; not on the board


class Download(Struct, frozen=True):
    """A download in progress."""

    name: str
    number: Annotated[int, Meta(description="position among the wanted tracks, from 1")]
    size: Annotated[int, Meta(description="expected bytes")]
    received: Annotated[int, Meta(description="received bytes")]
    rate: Annotated[float, Meta(description="bytes per second, of the last 10 s; 0 if not known yet")]
    remaining: Annotated[
        int | None, Meta(description="s until all wanted tracks are here, at that rate; null if not known")
    ]


class Figures(Struct, frozen=True):
    """Totals of several tracks, from the device's listing."""

    tracks: int
    hours: float
    km: float
    knots: Annotated[float, Meta(description="best speed over 500 m; 0 if there is none")]
    measured: Annotated[int, Meta(description="tracks that were never finalised; their figures come from their fixes")]


class Tile(Struct, frozen=True):
    """A device on the board."""

    id: Annotated[int, Meta(description="number on the sticker")]
    name: Annotated[str, Meta(description="host name of the device")]
    column: Column
    stage: Stage
    since: Annotated[float, Meta(description="start of the stage, s since 1970")]
    sailor: str
    file_id: Annotated[str, Meta(description="File ID of the carrier of today; empty if the device is not assigned")]
    battery: Annotated[int | None, Meta(description="percent")]
    battery_low: bool
    findings: tuple[str, ...]
    wanted: Annotated[int, Meta(description="number of tracks from the days of the event")]
    missing: Annotated[tuple[str, ...], Meta(description="youngest wanted tracks that are not stored yet, 100 at most")]
    missing_count: Annotated[int, Meta(description="number of wanted tracks that are not stored yet")]
    here: Annotated[Figures, Meta(description="today's tracks that are stored")]
    listed: Annotated[Figures, Meta(description="today's tracks that are only on the device")]
    download: Download | None
    slow: Annotated[
        str, Meta(description="rate of a slow download, which gives way to other devices; empty if it is not")
    ]
    reason: Annotated[str, Meta(description="why the device must stay connected; a remark if it is collected")]
    retry_at: Annotated[float | None, Meta(description="s since 1970")]
    tries: Annotated[int, Meta(description="consecutive verdicts that the device must stay connected")]
    oddity: Annotated[str, Meta(description="what is wrong with the device's responses; empty if nothing is")]
    left_early: Annotated[str, Meta(description="what was missing when the device left; empty once it is collected")]
    backup: Annotated[str, Meta(description="tracks of other devices that its sailor has handed in for that day")]
    waived: Annotated[str, Meta(description="why the missing tracks are waived")]
    not_expected: Annotated[str, Meta(description="why the device is not expected today; empty if it is")]
    idle: Annotated[bool, Meta(description="whether the device was here today and left without a track of today")]
    roster_trouble: Annotated[str, Meta(description="why its roster line cannot be read; empty if it can")]

    @property
    def is_assigned(self) -> bool:
        """Whether it counts as assigned today."""
        return bool(self.file_id or self.roster_trouble)

    @property
    def headline(self) -> str:
        """What is wrong, in few words that can be read at 2 m."""
        if self.oddity and not self.left_early:
            return "not responding correctly"
        if self.missing_count:
            return f"{self.missing_count} of {self.wanted} missing"
        return "tracks unknown" if self.left_early and not self.wanted else "not verified"

    @property
    def detail(self) -> str:
        """What is wrong, without the words of the headline."""
        text = self.reason if self.stage in PRESENT else self.left_early.removeprefix(f"{self.sailor}: ")
        more = text.removeprefix(missing_of(self.missing_count, self.wanted))
        if more != text:
            text = more[2:-1] if more.startswith(" (") else more.removeprefix(", ")
        if not self.oddity:
            return text
        return f"{text}; it is on but not responding correctly: {self.oddity}" if text else f"restart it: {self.oddity}"


def column_of(device: Device, *, expected: bool, of_today: bool, sailed: bool) -> Column:
    """Return the column of a device.

    `expected`: the device is assigned today. `of_today`: its stage began today. `sailed`: it has a track of today.
    A device that left without a track of today is expected again, since it may have been checked in the morning.
    """
    if device.stage is Stage.COLLECTED:
        return Column.SWITCH_OFF
    if device.stage is Stage.ATTENTION or (device.present and device.tries):
        return Column.KEEP_ON
    if device.present:
        return Column.WORKING
    if device.stage is Stage.GONE and device.left_early:
        return Column.LEFT_EARLY
    if device.oddity:
        return Column.KEEP_ON
    if device.stage is Stage.GONE and of_today and (sailed or device.waived or not expected):
        return Column.GONE
    return Column.EXPECTED if expected else Column.ELSEWHERE


def tile_of(
    device: Device,
    assignments: tuple[Assignment, ...],
    today: datetime.date,
    since: datetime.date,
    expected: Expected,
    estimate: Estimate,
    not_expected: str = "",
    roster_trouble: str = "",
) -> Tile:
    """Return the tile of a device whose stage began on the day `since`.

    A device without an owner today, of which a line of the roster cannot be read, is expected: it may be of today.
    """
    sharers = sharers_on(today, assignments).get(device.identifier, [])
    owner = sharers[0] if sharers else None
    roster_trouble = "" if owner else roster_trouble
    is_assigned = bool(owner or roster_trouble)
    tracks = [track for track in device.tracks if track.day == today]
    of_today = since == today
    column = column_of(device, expected=is_assigned and not not_expected, of_today=of_today, sailed=bool(tracks))
    if not_expected and column is Column.GONE and not tracks:
        column = Column.ELSEWHERE
    return Tile(
        id=device.identifier,
        name=device.name,
        column=column,
        stage=device.stage,
        since=device.since,
        sailor=" / ".join(each.sailor for each in sharers if each.sailor) if owner else device.sailor,
        file_id=owner.file_id if owner else "",
        battery=device.battery,
        battery_low=device.battery is not None and device.battery < expected.battery,
        findings=_findings(device),
        wanted=device.wanted,
        missing=device.missing,
        missing_count=device.missing_count,
        here=_figures([track for track in tracks if _is_stored(track, device)]),
        listed=_figures([track for track in tracks if not _is_stored(track, device)]),
        download=_download(device, estimate),
        slow=device.slow,
        reason=device.reason,
        tries=device.tries,
        oddity=device.oddity,
        retry_at=device.retry_at,
        left_early=device.left_early,
        backup=device.backup if device.left_early else "",
        waived=device.waived,
        not_expected=not_expected if is_assigned else "",
        idle=device.stage is Stage.GONE and of_today and not tracks,
        roster_trouble=roster_trouble,
    )


def bytes_of(device: Device, day: datetime.date) -> int:
    """Return how many bytes of the tracks of a day are stored."""
    return sum(track.length for track in device.tracks if _is_stored(track, device) and track.day == day)


def _figures(tracks: Collection[TrackSummary]) -> Figures:
    return Figures(
        tracks=len(tracks),
        hours=sum(track.duration for track in tracks) / MS_PER_HOUR,
        km=sum(track.distance for track in tracks) / MM_PER_KM,
        knots=max((track.best_500m for track in tracks), default=0) / MM_PER_S,
        measured=sum(track.end_date == 0 and track.duration > 0 for track in tracks),
    )


def _findings(device: Device) -> tuple[str, ...]:
    more = (f"and {device.more_findings:,} more findings",) if device.more_findings else ()
    return (*device.findings, *more)


def _is_stored(track: TrackSummary, device: Device) -> bool:
    return track.name not in device.missing


def _download(device: Device, estimate: Estimate) -> Download | None:
    if not device.downloading:
        return None
    number = max(device.wanted - device.missing_count + 1, 1)
    return Download(device.downloading, number, device.size, device.received, estimate.rate, estimate.remaining)
