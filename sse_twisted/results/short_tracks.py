"""Devices that were on the water for much less than the others: the operators see that by eye, if they look.

Compared is what a device recorded in the whole day, for a logger that was switched off and on again has two tracks,
each of which would be short.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from statistics import median

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.fleet import Device, Fleet
from sse_twisted.in_force import InForce
from sse_twisted.loop import LoopService
from sse_twisted.settings import Expected

FEWEST = 5  # devices with tracks of a day, before there is anything to compare with
INTERVAL = 1.0  # s between looks
MM_PER_KM = 1_000_000
MS_PER_HOUR = 3_600_000
SHORT = "short track"  # how the finding begins


@frozen
class Outing:
    """What a device recorded in one day."""

    hours: float
    kilometres: float


def short_outings(outings: Mapping[int, Outing], expected: Expected) -> dict[int, str]:
    """The devices whose day is much shorter than the median of all, each with a finding in words."""
    recorded = {number: outing for number, outing in outings.items() if outing.hours > 0 or outing.kilometres > 0}
    if len(recorded) < FEWEST:
        return {}
    hours = median(outing.hours for outing in recorded.values())
    kilometres = median(outing.kilometres for outing in recorded.values())
    found = {}
    for number, outing in recorded.items():
        if outing.hours < hours * expected.short_hours / 100:
            found[number] = f"{SHORT}: {outing.hours:.1f} hours, the median is {hours:.1f}"
        elif outing.kilometres < kilometres * expected.short_distance / 100:
            found[number] = f"{SHORT}: {outing.kilometres:.1f} km, the median is {kilometres:.1f}"
    return found


def outing_of(device: Device, day: datetime.date) -> Outing:
    """What a device lists of a day."""
    tracks = [track for track in device.tracks if track.day == day]
    hours = sum(track.duration for track in tracks) / MS_PER_HOUR
    return Outing(hours, sum(track.distance for track in tracks) / MM_PER_KM)


class ShortTracks(LoopService):
    """Keeps the findings of today's short tracks; each is logged once a day."""

    def __init__(self, fleet: Fleet, in_force: InForce, clock: IReactorTime, log: Logger) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self._fleet = fleet
        self._in_force = in_force
        self._said: set[tuple[int, datetime.date]] = set()
        self._changed = True
        fleet.observe(self._note)
        in_force.observe(self._note_settings)

    def round(self) -> None:
        """Compare all devices again if one has told what it holds since."""
        if not self._changed:
            return
        self._changed = False
        today = self._in_force.today(self._fleet.now)
        outings = {device.identifier: outing_of(device, today) for device in self._fleet if device.tracks}
        short = short_outings(outings, self._in_force.settings.expected)
        for device in list(self._fleet):
            self._settle(device, short.get(device.identifier), today)

    def _settle(self, device: Device, finding: str | None, today: datetime.date) -> None:
        others = tuple(other for other in device.findings if not other.startswith(SHORT))
        findings = (*others, finding) if finding else others
        if findings != device.findings:
            self._fleet.update(device.identifier, findings=findings)
        if finding and (device.identifier, today) not in self._said:
            self._said.add((device.identifier, today))
            self._log.warn("{device} {finding}", device=device.name, finding=finding)

    def _note(self, before: Device, after: Device) -> None:
        self._changed = self._changed or before.tracks != after.tracks or before.findings != after.findings

    def _note_settings(self) -> None:
        self._changed = True
