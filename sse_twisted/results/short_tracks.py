"""Short tracks: devices that recorded much less than usual on a day.

The total of a device's wanted tracks of a day is compared with the median of all devices. If it is much less, a finding
names the track, or the longest of several. So a short track is not a finding beside others that make up a day. Tracks
that `filters.best_500m` skips do not count: a logger left in a van for two hours has not recorded a day. Two kinds of
devices are not compared: those that were only switched on and off, which would spoil the median, and those with an
unfinalised track that is not measured yet, since it lists no hours. Nor are those that mark the line of a course.

The defaults come from the captures of 2022, 74 device days on the six days with five devices or more:

- 1 has less than 40 % of the median hours (1.9 of 6.6); the next ones have 48 and 58 %.
- 8 have less than 40 % of the median distance, but 7 of those have 72 % of the hours or more. 1 has less than 20 %
  (2.2 km in 3.7 hours, at 35 knots).
- Compared track by track, the hours alone would have made 11 findings, 10 of them for tracks on which nobody sailed.
  Where a device has two tracks of sailing (6 times), the shorter one is 31 % of its day each time.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from statistics import median

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.naming import MM_PER_KM, MS_PER_HOUR
from sse_twisted.fleet import Device, Fleet
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.turns import in_turns

MIN_DEVICES = 5  # with tracks of the day; fewer are not compared
INTERVAL = 1.0  # s between comparisons
SHORT = "short track"  # begins the finding


class Recorded(Struct, frozen=True):
    """A track as its device lists it, or as measured if the device never finalised it."""

    name: str
    hours: float
    kilometres: float
    known: bool = True  # whether its length is known


class Total(Struct, frozen=True):
    """What a device has recorded in a day."""

    hours: float
    kilometres: float
    tracks: Sequence[Recorded]


def total_of(tracks: Sequence[Recorded]) -> Total | None:
    """Return the total of the wanted tracks of one device and day; None without any, or if a length is not known."""
    hours, kilometres = sum(track.hours for track in tracks), sum(track.kilometres for track in tracks)
    is_known = all(track.known for track in tracks)
    return Total(hours, kilometres, tracks) if is_known and max(hours, kilometres) > 0 else None


def short_tracks(totals: Mapping[int, Total | None], expected: Expected) -> dict[int, str]:
    """Return a finding for each device whose day is much shorter than the median of all."""
    known = {number: total for number, total in totals.items() if total is not None}
    if len(known) < MIN_DEVICES:
        return {}
    usual_hours = median([total.hours for total in known.values()])
    usual_kilometres = median([total.kilometres for total in known.values()])
    found = {}
    for number, total in known.items():
        if total.hours < usual_hours * expected.short_hours / 100:
            found[number] = f"{_named(total.tracks)}: {total.hours:.1f} hours, the median is {usual_hours:.1f}"
        elif total.kilometres < usual_kilometres * expected.short_distance / 100:
            found[number] = f"{_named(total.tracks)}: {total.kilometres:.1f} km, the median is {usual_kilometres:.1f}"
    return found


def _named(tracks: Sequence[Recorded]) -> str:
    longest = max(tracks, key=lambda track: track.hours)
    return f"{SHORT} {longest.name}" + (f" and {len(tracks) - 1} more" if len(tracks) > 1 else "")


def recorded_on(day: datetime.date, device: Device) -> tuple[Recorded, ...]:
    """Return the wanted tracks of a device on a day."""
    return tuple(
        Recorded(
            track.name, track.duration / MS_PER_HOUR, track.distance / MM_PER_KM, bool(track.end_date or track.duration)
        )
        for track in device.tracks
        if track.day == day
    )


class ShortTracks(PeriodicService):
    """Updates the findings about today's short tracks; logs one for each device and day."""

    def __init__(self, fleet: Fleet, live: LiveConfig, clock: IReactorTime, log: Logger) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self._fleet = fleet
        self._live = live
        self._tasks = Tasks(log)
        self._logged: set[tuple[int, datetime.date]] = set()
        self._changed = True
        fleet.observe(self._note_change)
        live.observe(self._note)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._tasks.stop()

    def round(self) -> None:
        """Compare all devices if tracks, findings or settings have changed."""
        if self._changed and "round" not in self._tasks:
            self._changed = False
            self._tasks.start("round", self._compare(), "The tracks of the devices could not be compared")

    async def _compare(self) -> None:
        today = self._live.today(self._fleet.now)
        buoys = self._live.on_buoys(today)
        totals: dict[int, Total | None] = {}
        async for device in in_turns(list(self._fleet), self._clock):
            if device.tracks and device.identifier not in buoys:
                totals[device.identifier] = total_of(recorded_on(today, device))
        short = short_tracks(totals, self._live.settings.expected)
        async for device in in_turns(list(self._fleet), self._clock):
            if device.identifier in self._fleet:
                self._settle(self._fleet[device.identifier], short.get(device.identifier), today)

    def _settle(self, device: Device, finding: str | None, today: datetime.date) -> None:
        others = tuple(other for other in device.findings if not other.startswith(SHORT))
        findings = (*others, finding) if finding else others
        if findings != device.findings:
            self._fleet.update(device.identifier, findings=findings)
        if finding and (device.identifier, today) not in self._logged:
            self._logged.add((device.identifier, today))
            self._log.warn("{device} {finding}", device=device.name, finding=finding)

    def _note_change(self, before: Device, after: Device) -> None:
        if before.tracks != after.tracks or before.findings != after.findings:
            self._note()

    def _note(self) -> None:
        self._changed = True
