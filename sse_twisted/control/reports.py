"""The values that commands return; the console shows them as tables, the web as JSON."""

from __future__ import annotations

from msgspec import Struct

from sse_twisted.config.roster import Assignment
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.fleet import Device
from sse_twisted.history.events import DeviceEvent


class DeviceReport(Struct, frozen=True):
    """Everything known of a device."""

    device: Device
    assignments: tuple[Assignment, ...]
    events: tuple[DeviceEvent, ...]  # the latest ones, the oldest first
    tracks: tuple[TrackReport, ...]  # of the event, by name
    others: tuple[TrackReport, ...]  # listed by the device, outside the event
    more_tracks: int = 0  # that are left out, the oldest ones
    more_others: int = 0


class DayTracks(Struct, frozen=True):
    """The ledger entries of a day."""

    tracks: tuple[TrackReport, ...]  # by device and name
    left_out: int = 0  # the oldest ones, of devices with very many


class Missing(Struct, frozen=True):
    """An expected device that is not collected today."""

    identifier: int
    name: str
    sailor: str
    stage: str
    why: str


class Semaphore(Struct, frozen=True):
    """The devices in a step of a visit, and those that wait for it."""

    step: str
    limit: int  # at once
    free: int
    waiting: int
