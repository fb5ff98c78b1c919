"""What the event folder knows of a day, read in a thread for the pages and the API."""

from __future__ import annotations

import datetime
from typing import Any

from attrs import frozen

from sse_twisted.days import Day, Line, claims_of, reconcile
from sse_twisted.disk import Disk
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Device, Fleet
from sse_twisted.in_force import InForce
from sse_twisted.ranking import DISCIPLINES, Claim, Place, ranking
from sse_twisted.roster import Assignment


@frozen
class Answers:
    """The last answers of a device, as it gave them; None if it never did."""

    info: Any
    settings: Any


class Records:
    """Reads ledgers and answers; nothing is kept in memory."""

    def __init__(self, folder: EventFolder, disk: Disk, fleet: Fleet, in_force: InForce) -> None:
        self._folder = folder
        self._disk = disk
        self._fleet = fleet
        self._in_force = in_force

    async def day(self, day: datetime.date, today: datetime.date) -> Day:
        """What became of everybody on that day."""
        devices = {device.identifier: device for device in self._fleet} if day == today else {}
        return await self._disk.run(self._day, day, self._in_force.roster.assignments, devices)

    async def line(self, identifier: int, today: datetime.date) -> Line | None:
        """What became of a device today; None if nobody carries it."""
        day = await self.day(today, today)
        return next((line for line in day.lines if line.id == identifier), None)

    async def ranking(self, day: datetime.date) -> dict[str, tuple[Place, ...]]:
        """The places of a day, by discipline."""
        claims = await self._disk.run(self._claims, day, self._in_force.roster.assignments)
        return {discipline: ranking(claims, discipline) for discipline in DISCIPLINES}

    async def answers(self, identifier: int) -> Answers:
        """What the device last said about itself."""
        info = await self._disk.run(self._folder.answer, identifier, "info.json")
        return Answers(info, await self._disk.run(self._folder.answer, identifier, "settings.json"))

    def _day(self, day: datetime.date, assignments: tuple[Assignment, ...], devices: dict[int, Device]) -> Day:
        begin = datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp()
        begin -= 60 * self._in_force.settings.expected.timezone
        ledgers = self._folder.all_entries()
        met = {identifier: self._folder.met_at(identifier) for identifier in ledgers}
        seen = frozenset(identifier for identifier, when in met.items() if when >= begin)
        return reconcile(day, assignments, ledgers, seen, devices, self._in_force.settings.expected)

    def _claims(self, day: datetime.date, assignments: tuple[Assignment, ...]) -> list[Claim]:
        return claims_of(day, assignments, self._folder.all_entries())
