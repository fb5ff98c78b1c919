"""What the board shows of each device: a pure function of its snapshot, the roster and the day."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from sse_twisted.config.roster import Assignment, carriers_on
from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.naming import MM_PER_KM, MM_PER_S, MS_PER_HOUR
from sse_twisted.fleet import PRESENT, Device, Stage, TrackSummary
from sse_twisted.runtime.text import missing_of


class Column(StrEnum):
    """The bucket on the bench into which a device belongs."""

    LEFT_EARLY = "left-early"  # gone with tracks missing
    KEEP_ON = "keep-on"
    SWITCH_OFF = "switch-off"
    WORKING = "working"
    EXPECTED = "expected"  # today, and not seen yet
    GONE = "gone"  # done today
    ELSEWHERE = "elsewhere"  # neither here nor expected today: not on the board


class Download(Struct, frozen=True):
    """The track under way."""

    name: str
    number: Annotated[int, Meta(description="which of the wanted tracks it is")]
    size: Annotated[int, Meta(description="bytes that it should have")]
    received: Annotated[int, Meta(description="bytes that are here")]
    rate: Annotated[float, Meta(description="bytes a second, 0 = not known yet")]


class Figures(Struct, frozen=True):
    """What some tracks come to, as the device lists them."""

    tracks: int
    hours: float
    km: float
    knots: Annotated[float, Meta(description="best over 500 m, 0 = none")]
    measured: Annotated[int, Meta(description="of the tracks, those whose own fixes tell: they were never finalised")]


class Tile(Struct, frozen=True):
    """One device on the board."""

    id: Annotated[int, Meta(description="the number on the sticker")]
    column: Column
    stage: Stage
    since: Annotated[float, Meta(description="s since 1970, when the stage began")]
    sailor: str
    file_id: Annotated[str, Meta(description="of the person who carries it today; empty if nobody does")]
    battery: Annotated[int | None, Meta(description="percent")]
    battery_low: bool
    findings: tuple[str, ...]
    wanted: Annotated[int, Meta(description="tracks of the event's days")]
    missing: Annotated[tuple[str, ...], Meta(description="of the wanted ones")]
    here: Annotated[Figures, Meta(description="of the tracks of today that are here")]
    listed: Annotated[Figures, Meta(description="of the tracks of today that only the device has yet")]
    download: Download | None
    reason: Annotated[str, Meta(description="why it must stay connected; of a collected one, what should be known")]
    retry_at: Annotated[float | None, Meta(description="s since 1970")]
    tries: Annotated[int, Meta(description="verdicts in a row that it must stay connected")]
    oddity: Annotated[str, Meta(description="how it answers that does not answer as a device should")]
    left_early: Annotated[str, Meta(description="what was missing when it left; empty since it was collected")]
    waived: Annotated[str, Meta(description="why nobody waits for what was missing when it left")]
    idle: Annotated[bool, Meta(description="whether it was here today, and left without a track of today")]

    @property
    def headline(self) -> str:
        """What is wrong, in words that can be read from afar."""
        if self.oddity and not self.left_early:
            return "answers badly"
        if self.missing:
            return f"{len(self.missing)} of {self.wanted} missing"
        return "tracks not known" if self.left_early and not self.wanted else "not verified"

    @property
    def detail(self) -> str:
        """What the headline does not say of it."""
        text = self.reason if self.present else self.left_early.removeprefix(f"{self.sailor}: ")
        more = text.removeprefix(missing_of(len(self.missing), self.wanted))
        if more != text:
            text = more[2:-1] if more.startswith(" (") else more.removeprefix(", ")
        if not self.oddity:
            return text
        return f"{text}; it is on, but answers badly: {self.oddity}" if text else f"restart it: {self.oddity}"

    @property
    def present(self) -> bool:
        """Whether it is on the network."""
        return self.stage in PRESENT


def column_of(device: Device, *, expected: bool, of_today: bool, sailed: bool) -> Column:
    """Where a device belongs; `expected` if somebody carries it today, `of_today` if its stage began today.

    One that has gone and has not `sailed`, without a track of today, is expected again: it may have been looked at in
    the morning, and its day is not here.
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
    rate: float,
) -> Tile:
    """The tile of a device whose stage began on the day `since`; `rate` in bytes/s is that of its transfer."""
    owner = carriers_on(today, assignments).get(device.identifier)
    tracks = [track for track in device.tracks if track.day == today]
    of_today = since == today
    return Tile(
        id=device.identifier,
        column=column_of(device, expected=owner is not None, of_today=of_today, sailed=bool(tracks)),
        stage=device.stage,
        since=device.since,
        sailor=owner.sailor if owner else device.sailor,
        file_id=owner.file_id if owner else "",
        battery=device.battery,
        battery_low=device.battery is not None and device.battery < expected.battery,
        findings=device.findings,
        wanted=device.wanted,
        missing=device.missing,
        here=_figures([track for track in tracks if _is_here(track, device)]),
        listed=_figures([track for track in tracks if not _is_here(track, device)]),
        download=_download(device, rate),
        reason=device.reason,
        tries=device.tries,
        oddity=device.oddity,
        retry_at=device.retry_at,
        left_early=device.left_early,
        waived=device.waived,
        idle=device.stage is Stage.GONE and of_today and not tracks,
    )


def bytes_of(device: Device, day: datetime.date) -> int:
    """How much of that day is here."""
    return sum(track.length for track in device.tracks if _is_here(track, device) and track.day == day)


def _figures(tracks: Collection[TrackSummary]) -> Figures:
    return Figures(
        tracks=len(tracks),
        hours=sum(track.duration for track in tracks) / MS_PER_HOUR,
        km=sum(track.distance for track in tracks) / MM_PER_KM,
        knots=max((track.best_500m for track in tracks), default=0) / MM_PER_S,
        measured=sum(track.end_date == 0 and track.duration > 0 for track in tracks),
    )


def _is_here(track: TrackSummary, device: Device) -> bool:
    return track.name not in device.missing


def _download(device: Device, rate: float) -> Download | None:
    if not device.downloading:
        return None
    number = max(device.wanted - len(device.missing) + 1, 1)
    return Download(device.downloading, number, device.size, device.received, rate)
