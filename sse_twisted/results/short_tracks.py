"""Short tracks: a sailor's day that is not all there. The operators see that by eye, if they look.

Compared is all that a device recorded in a day, with the median of the devices; where it is much less, a finding names
the track, or the longest of several. A short track beside others that make up a day is none: neither two halves with a
lunch between them, nor ten minutes in the evening. Tracks that `filters.best_500m` skips do not count: a logger that
lies in the van for two hours makes up for nothing. A device that was only switched on and off is no part of the
comparison, or a morning of trying all of them would make the median nothing. A track that was never finalised lists no
hours: what was measured of it counts, and before that its device is not compared.

Measured on the captures of 2022: on the six days of the event with five devices or more, 74 days of a device,

- less than 40 % of the median hours has one (1.9 of 6.6; the next ones have 48 and 58 %);
- less than 40 % of the median distance have eight, seven of which were out for 72 % of the hours or more; less than
  20 % has one (2.2 km in 3.7 hours, at 35 knots). Hence the defaults: two findings in six days;
- judged track by track, the skipped ones too, there would have been eleven for the hours alone, ten of them for scraps
  in which nobody sailed. And where a device has two tracks of sailing, as six times in that September, the lesser one
  is 31 % of its day each time: 0.9 of 2.9 hours, or 1.2 of 3.8.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from statistics import median

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.naming import MM_PER_KM, MS_PER_HOUR
from sse_twisted.fleet import Device, Fleet
from sse_twisted.runtime.periodic import PeriodicService

FEWEST = 5  # devices with tracks of a day, before there is anything to compare with
INTERVAL = 1.0  # s between looks
SHORT = "short track"  # how the finding begins


@frozen
class Recorded:
    """A track of a day, as its device lists it, or as it was measured where the device never finalised it."""

    name: str
    hours: float
    kilometres: float
    known: bool = True  # else nobody knows how long it is


def short_tracks(recorded: Mapping[int, Sequence[Recorded]], expected: Expected) -> dict[int, str]:
    """The devices whose day is much shorter than the median of all, each with a finding in words.

    `recorded` has the tracks of one day that are wanted, by device.
    """
    days = {number: tracks for number, tracks in recorded.items() if all(track.known for track in tracks)}
    hours = {number: sum(track.hours for track in tracks) for number, tracks in days.items()}
    kilometres = {number: sum(track.kilometres for track in tracks) for number, tracks in days.items()}
    judged = [number for number in days if hours[number] > 0 or kilometres[number] > 0]
    if len(judged) < FEWEST:
        return {}
    usual_hours = median(hours[number] for number in judged)
    usual_kilometres = median(kilometres[number] for number in judged)
    found = {}
    for number in judged:
        if hours[number] < usual_hours * expected.short_hours / 100:
            found[number] = f"{_named(days[number])}: {hours[number]:.1f} hours, the median is {usual_hours:.1f}"
        elif kilometres[number] < usual_kilometres * expected.short_distance / 100:
            found[number] = f"{_named(days[number])}: {kilometres[number]:.1f} km, the median is {usual_kilometres:.1f}"
    return found


def _named(tracks: Sequence[Recorded]) -> str:
    longest = max(tracks, key=lambda track: track.hours)
    return f"{SHORT} {longest.name}" + (f" and {len(tracks) - 1} more" if len(tracks) > 1 else "")


def recorded_on(day: datetime.date, device: Device) -> tuple[Recorded, ...]:
    """What is known of a device's tracks of a day."""
    return tuple(
        Recorded(
            track.name, track.duration / MS_PER_HOUR, track.distance / MM_PER_KM, bool(track.end_date or track.duration)
        )
        for track in device.tracks
        if track.day == day
    )


class ShortTracks(PeriodicService):
    """Keeps the findings of today's short tracks; each is logged once a day."""

    def __init__(self, fleet: Fleet, live: LiveConfig, clock: IReactorTime, log: Logger) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self._fleet = fleet
        self._live = live
        self._said: set[tuple[int, datetime.date]] = set()
        self._changed = True
        fleet.observe(self._note)
        live.observe(self._note_settings)

    def round(self) -> None:
        """Compare all devices again if one has told what it holds since."""
        if not self._changed:
            return
        self._changed = False
        today = self._live.today(self._fleet.now)
        recorded = {device.identifier: recorded_on(today, device) for device in self._fleet if device.tracks}
        short = short_tracks(recorded, self._live.settings.expected)
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
