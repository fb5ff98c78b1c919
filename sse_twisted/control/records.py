"""Days, rankings and plots, read from the event folder in a thread."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from attrs import field, frozen
from twisted.internet.defer import DeferredLock

from sse_twisted.control.health import outside
from sse_twisted.devices.driver import Finding
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Entries, Status, local_file_of
from sse_twisted.event_folder.track_name import TrackName, day_of
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import MAX_MEASURED, Device, Measured
from sse_twisted.results.days import Day, DayCount, count_days, reconcile, sailed_on
from sse_twisted.results.ranking import DISCIPLINES, Place, Sailed, ranking
from sse_twisted.results.service import ResultsService, measured_of
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.formats import MAX_SIZE, format_named
from sse_twisted.tracks.plot.picture import marks_of, plot


@frozen
class TrackFile:
    """A stored track to be read."""

    name: str  # in the ledger
    local_file: str  # below the event folder
    sha256: str  # "" if the ledger has none
    length: int  # bytes
    written: int  # ns since 1970
    zone: datetime.tzinfo  # of the event
    _folder: EventFolder

    @property
    def place(self) -> str:
        """Its path below the folder of all tracks, such as "20261012/ABC601XYZ_601_20261012_101500.oao"."""
        return str(PurePosixPath(*PurePosixPath(self.local_file).parts[1:]))

    @property
    def file_name(self) -> str:
        return PurePosixPath(self.local_file).name

    def open(self) -> BinaryIO | None:
        """Open the file; None if it is gone, or is no regular file of the event. Blocks."""
        return self._folder.open_track(self.local_file)


class TooLarge(Exception):
    """A track that is too large to plot; the message says so."""


@frozen
class Records:
    """Reads ledgers, stored responses of devices and tracks; nothing is cached."""

    _work: Workplace
    _results: ResultsService
    _drawing: DeferredLock = field(factory=DeferredLock, init=False)

    async def day(self, day: datetime.date, today: datetime.date) -> Day:
        """Return the outcome of each device on a day."""
        return await self._work.disk.read(self._day, day, today, self._known_by_day(today).get(day, {}))

    async def days(self, today: datetime.date) -> tuple[DayCount, ...]:
        """Count the outcomes of each day of the event, the latest day first."""
        return await self._work.disk.read(self._days, today, self._known_by_day(today))

    async def ranking(self, day: datetime.date) -> dict[str, tuple[Place, ...]]:
        """Return the places of a day by discipline."""
        tracks = await self._work.disk.read(self._sailed, day)
        return {discipline: ranking(tracks, discipline) for discipline in DISCIPLINES}

    def measured(self, identifier: int) -> tuple[Measured, ...]:
        """Return the speeds measured from the last tracks of a device, ordered by name of the track."""
        results = self._results.of(identifier)
        names = sorted(results)[-MAX_MEASURED:]
        return tuple(measured_of(name, results[name]) for name in names)

    async def plot(self, identifier: int, name: str) -> str | None:
        """Plot a stored track as SVG; None if it is not stored. Raises TooLarge. Only one plot is drawn at a time."""
        async with self._drawing:
            return await self._work.disk.read(self._plot, identifier, name)

    async def track_files(self, day: datetime.date) -> tuple[TrackFile, ...]:
        """Return the stored tracks of a day, also the unassigned ones, by path."""
        return await self._work.disk.read(self._track_files, day)

    async def track_file(self, identifier: int, name: str) -> TrackFile | None:
        """Return a stored track of a device; None if it is not stored."""
        return await self._work.disk.read(self._track_file, identifier, name)

    def outside(self, today: datetime.date) -> str:
        """Say that the event is over, or has not begun; "" otherwise."""
        return outside(today, self._work.live.days)

    async def findings(self, identifier: int) -> tuple[Finding, ...]:
        """Compare the last settings and versions that a device reported with the expected ones."""
        return await self._work.disk.read(self._work.folder.findings, identifier, self._work.live.settings.expected)

    def _known_by_day(self, today: datetime.date) -> dict[datetime.date, dict[int, Device]]:
        """Return the snapshots that count for each day: for today those that no earlier day has settled.

        An alarm lasts until the device is back. An alarm or a waiver also counts for the day on which the device left,
        since the ledger of that day may hold every track that had been listed before.
        """
        known: dict[datetime.date, dict[int, Device]] = {}
        for device in self._work.fleet:
            day = self._work.live.today(device.since)
            if device.present or device.left_early or device.oddity or day == today:
                known.setdefault(today, {})[device.identifier] = device
            if device.left_incomplete and not device.present:
                known.setdefault(day, {})[device.identifier] = device
        return known

    def _day(self, day: datetime.date, today: datetime.date, devices: dict[int, Device]) -> Day:
        live = self._work.live
        expected, excused = live.settings.expected, live.excused.get(day, {})
        files, buoys = self._read_all(), live.on_buoys(day)
        return reconcile(day, live.roster.assignments, *files, devices, expected, excused, today=today, buoys=buoys)

    def _days(self, today: datetime.date, known: dict[datetime.date, dict[int, Device]]) -> tuple[DayCount, ...]:
        live = self._work.live
        expected, excused = live.settings.expected, live.excused
        return count_days(today, live.roster.assignments, *self._read_all(), known, expected, excused, live.buoys)

    def _read_all(self) -> tuple[dict[int, Entries], dict[int, Entries], dict[int, float]]:
        """Return for each device its ledger, the reports of its tracks, and when it last responded."""
        ledgers: dict[int, Entries] = {**self._work.folder.all_entries()}
        results: dict[int, Entries] = {identifier: self._results.of(identifier) for identifier in ledgers}
        return ledgers, results, {identifier: self._work.folder.met_at(identifier) for identifier in ledgers}

    def _sailed(self, day: datetime.date) -> list[Sailed]:
        ledgers, results, _ = self._read_all()
        live = self._work.live
        return sailed_on(day, live.roster.assignments, ledgers, results, live.on_buoys(day))

    def _track_files(self, day: datetime.date) -> tuple[TrackFile, ...]:
        files = {
            file.local_file: file
            for identifier, entries in self._work.folder.all_entries().items()
            for name, entry in entries.items()
            if day_of(name) == day and (file := self._file_of(name, entry)) is not None
        }
        return tuple(file for _, file in sorted(files.items()))

    def _track_file(self, identifier: int, name: str) -> TrackFile | None:
        return self._file_of(name, self._work.folder.entries(identifier).get(name, {}))

    def _file_of(self, name: str, entry: Mapping[str, Any]) -> TrackFile | None:
        """Return the file of a ledger entry; None if it is not stored. Raises no OSError."""
        folder, path = self._work.folder, local_file_of(name, entry)
        if path is None or entry.get("status") != Status.COMPLETED:
            return None
        opened = folder.open_track(path)
        if opened is None:
            return None
        with opened:
            status = os.fstat(opened.fileno())
        digest, zone = str(entry.get("sha256") or ""), self._work.live.zone
        return TrackFile(name, path, digest, status.st_size, status.st_mtime_ns, zone, folder)

    def _plot(self, identifier: int, name: str) -> str | None:
        entry = self._work.folder.entries(identifier).get(name, {})
        path = local_file_of(name, entry)
        if path is None or entry.get("status") != Status.COMPLETED or format_named(path) is None:
            return None
        data = self._work.folder.track_bytes(path, MAX_SIZE + 1)
        if data is None:
            return None
        if len(data) > MAX_SIZE:
            raise TooLarge(f"{name} is larger than {MAX_SIZE / 1e6:.0f} MB and cannot be plotted")
        analysis = analyse(data)
        assignments = self._work.live.roster.of(identifier)
        prefix = track.prefix if (track := TrackName.parse(name)) else ""
        sailor = next((a.sailor for a in assignments if f"{a.file_id}_{identifier}" == prefix), "")
        return plot(analysis.track, marks_of(analysis.session), " · ".join(filter(None, [sailor, name])))
