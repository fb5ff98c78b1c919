"""What the commands tell: frozen values, from which the console makes tables and the web JSON."""

from __future__ import annotations

from attrs import frozen

from sse_twisted.config.roster import Assignment
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.fleet import Device
from sse_twisted.history.events import DeviceEvent


@frozen
class DeviceReport:
    """Everything that is known of one device."""

    device: Device
    assignments: tuple[Assignment, ...]
    happenings: tuple[DeviceEvent, ...]  # the last ones, the oldest first
    tracks: tuple[TrackReport, ...]  # of the event, by name
    others: tuple[TrackReport, ...]  # listed by the device, of another time


@frozen
class Missing:
    """Somebody who is expected today, and whose tracks are not all here."""

    identifier: int
    sailor: str
    stage: str
    why: str


@frozen
class Semaphore:
    """How many devices are in a step, and how many wait for it."""

    step: str
    limit: int  # at once
    free: int
    waiting: int
