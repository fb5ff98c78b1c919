"""Days, rankings and plots, read from the event folder in a thread."""

from __future__ import annotations

import datetime

from twisted.internet.defer import DeferredLock

from sse_twisted.config.roster import Assignment
from sse_twisted.devices.driver import Finding
from sse_twisted.event_folder.ledger import Entries, Status, local_file_of
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device, Measured
from sse_twisted.results.days import Day, DayCount, count_days, reconcile, sailed_on, seen_since
from sse_twisted.results.ranking import DISCIPLINES, Place, Sailed, ranking
from sse_twisted.results.service import LARGEST, ResultsService, measured_of
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.formats import format_named
from sse_twisted.tracks.plot.picture import marks_of, plot


class TooLarge(Exception):
    """A track that is too large to plot; the message says so."""


class Records:
    """Reads ledgers, stored responses of devices and tracks; nothing is cached."""

    def __init__(self, work: Workplace, results: ResultsService) -> None:
        self._folder = work.folder
        self._disk = work.disk
        self._fleet = work.fleet
        self._live = work.live
        self._results = results
        self._drawing = DeferredLock()

    async def day(self, day: datetime.date, today: datetime.date) -> Day:
        """Return the outcome of each device on a day."""
        devices = self._known_by_day(today).get(day, {})
        return await self._disk.run(self._day, day, self._live.roster.assignments, devices)

    async def days(self, today: datetime.date) -> tuple[DayCount, ...]:
        """Count the outcomes of each day of the event, the latest day first."""
        known = self._known_by_day(today)
        return await self._disk.run(self._days, today, self._live.roster.assignments, known)

    async def ranking(self, day: datetime.date) -> dict[str, tuple[Place, ...]]:
        """Return the places of a day by discipline."""
        tracks = await self._disk.run(self._sailed, day, self._live.roster.assignments)
        return {discipline: ranking(tracks, discipline) for discipline in DISCIPLINES}

    def measured(self, identifier: int) -> tuple[Measured, ...]:
        """Return the speeds measured from the tracks of a device, ordered by name of the track."""
        results = self._results.of(identifier)
        return tuple(measured_of(name, report) for name, report in sorted(results.items()))

    async def plot(self, identifier: int, name: str) -> str | None:
        """Plot a stored track as SVG; None if it is not stored. Raises TooLarge. Only one plot is drawn at a time."""
        async with self._drawing:
            return await self._disk.run(self._plot, identifier, name)

    async def findings(self, identifier: int) -> tuple[Finding, ...]:
        """Compare the last settings and versions that a device reported with the expected ones."""
        return await self._disk.run(self._folder.findings, identifier, self._live.settings.expected)

    def _known_by_day(self, today: datetime.date) -> dict[datetime.date, dict[int, Device]]:
        """Return the snapshots that count for each day: for today those that no earlier day has settled.

        An alarm lasts until the device is back. An alarm or a waiver also counts for the day on which the device left,
        since the ledger of that day may hold every track that had been listed before.
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
        """Return for each device its ledger, the reports of its tracks, and when it last responded."""
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
        if path is None or entry.get("status") != Status.COMPLETED or format_named(path) is None:
            return None
        data = self._folder.track_bytes(path, LARGEST + 1)
        if data is None:
            return None
        if len(data) > LARGEST:
            raise TooLarge(f"{name} is larger than {LARGEST // 2**20} MiB and cannot be plotted")
        analysis = analyse(data)
        assignments = self._live.roster.of(identifier)
        sailor = next((a.sailor for a in assignments if name.startswith(f"{a.file_id}_{identifier}_")), "")
        return plot(analysis.track, marks_of(analysis.session), " · ".join(filter(None, [sailor, name])))
