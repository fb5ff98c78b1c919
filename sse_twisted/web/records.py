"""What the event folder knows of a day, read in a thread for the pages and the API."""

from __future__ import annotations

import datetime

from twisted.internet.defer import DeferredLock

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster import Assignment
from sse_twisted.config.settings import Expected
from sse_twisted.devices.driver import Finding
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Entries, Status, local_file_of
from sse_twisted.fleet import Device, Fleet, Measured
from sse_twisted.results.days import Day, DayCount, Line, count_days, reconcile, sailed_on, seen_since
from sse_twisted.results.ranking import DISCIPLINES, Place, Sailed, ranking
from sse_twisted.results.service import LARGEST, ResultsService, measured_of
from sse_twisted.runtime.disk import Disk
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.plot.picture import marks_of, plot


class TooLarge(Exception):
    """A track that nobody can have sailed, and that would take all memory to draw."""


class Records:
    """Reads ledgers and answers; nothing is kept in memory."""

    def __init__(
        self, folder: EventFolder, disk: Disk, fleet: Fleet, live: LiveConfig, results: ResultsService
    ) -> None:
        self._results = results
        self._drawing = DeferredLock()
        self._folder = folder
        self._disk = disk
        self._fleet = fleet
        self._live = live

    async def day(self, day: datetime.date, today: datetime.date) -> Day:
        """What became of everybody on that day."""
        devices = self._known_by_day(today).get(day, {})
        return await self._disk.run(self._day, day, self._live.roster.assignments, devices)

    async def days(self, today: datetime.date) -> tuple[DayCount, ...]:
        """How many ended how on each day of the event, the newest first."""
        known = self._known_by_day(today)
        return await self._disk.run(self._days, today, self._live.roster.assignments, known)

    async def line(self, identifier: int, today: datetime.date) -> Line | None:
        """What became of a device today; None if nobody carries it."""
        day = await self.day(today, today)
        return next((line for line in day.lines if line.id == identifier), None)

    async def ranking(self, day: datetime.date) -> dict[str, tuple[Place, ...]]:
        """The places of a day, by discipline."""
        tracks = await self._disk.run(self._sailed, day, self._live.roster.assignments)
        return {discipline: ranking(tracks, discipline) for discipline in DISCIPLINES}

    def measured(self, identifier: int) -> tuple[Measured, ...]:
        """What the tracks of a device say themselves, by name."""
        results = self._results.of(identifier)
        return tuple(measured_of(name, report) for name, report in sorted(results.items()))

    async def plot(self, identifier: int, name: str) -> str | None:
        """A picture of a track that is here, as SVG; None if it is not. Raises TooLarge. One is drawn at a time."""
        async with self._drawing:
            return await self._disk.run(self._plot, identifier, name)

    async def findings(self, identifier: int, expected: Expected) -> tuple[Finding, ...]:
        """Return what a device last said of itself, beside what is expected of it."""
        return await self._disk.run(self._folder.findings, identifier, expected)

    def _known_by_day(self, today: datetime.date) -> dict[datetime.date, dict[int, Device]]:
        """What is known now, for the days for which it counts: for today what was not settled on an earlier day.

        An alarm stays one until the device is back. It and a waiver are of the day on which the device left, too: its
        ledger may say that all is here that was listed before.
        """
        known: dict[datetime.date, dict[int, Device]] = {}
        for device in self._fleet:
            day = self._live.today(device.since)
            if device.present or device.left_early or device.oddity or day == today:
                known.setdefault(today, {})[device.identifier] = device
            if device.left_incomplete and not device.present:
                known.setdefault(day, {})[device.identifier] = device
        return known

    def _day(self, day: datetime.date, assignments: tuple[Assignment, ...], devices: dict[int, Device]) -> Day:
        expected = self._live.settings.expected
        ledgers, results, met = self._read_all()
        return reconcile(day, assignments, ledgers, results, seen_since(day, met, expected), devices, expected)

    def _days(
        self,
        today: datetime.date,
        assignments: tuple[Assignment, ...],
        known: dict[datetime.date, dict[int, Device]],
    ) -> tuple[DayCount, ...]:
        expected = self._live.settings.expected
        return count_days(assignments, *self._read_all(), today, known, expected)

    def _read_all(self) -> tuple[dict[int, Entries], dict[int, Entries], dict[int, float]]:
        """Of each device that was ever here its ledger, what its tracks say, and when it last answered."""
        ledgers: dict[int, Entries] = {**self._folder.all_entries()}
        results: dict[int, Entries] = {identifier: self._results.of(identifier) for identifier in ledgers}
        return ledgers, results, {identifier: self._folder.met_at(identifier) for identifier in ledgers}

    def _sailed(self, day: datetime.date, assignments: tuple[Assignment, ...]) -> list[Sailed]:
        ledgers = self._folder.all_entries()
        results = {identifier: self._results.of(identifier) for identifier in ledgers}
        return sailed_on(day, assignments, ledgers, results)

    def _plot(self, identifier: int, name: str) -> str | None:
        entry = self._folder.entries(identifier).get(name, {})
        path = local_file_of(name, entry)
        if path is None or entry.get("status") != Status.COMPLETED or not path.lower().endswith(".oao"):
            return None
        data = self._folder.track_bytes(path, LARGEST + 1)
        if data is None:
            return None
        if len(data) > LARGEST:
            raise TooLarge(f"{name} has more than {LARGEST // 2**20} MiB: it is not drawn")
        analysis = analyse(data)
        assignments = self._live.roster.of(identifier)
        sailor = next((a.sailor for a in assignments if name.startswith(f"{a.file_id}_")), "")
        return plot(analysis.track, marks_of(analysis.session), " · ".join(filter(None, [sailor, name])))
