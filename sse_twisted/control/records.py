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
from sse_twisted.handin.service import HandInService
from sse_twisted.results.backups import Backup, backups_of, not_collected, sailed_with, with_backups
from sse_twisted.results.days import Day, DayCount, count_days, reconcile, sailed_on
from sse_twisted.results.ranking import DISCIPLINES, Place, Sailed, ranking
from sse_twisted.results.service import ResultsService, measured_of
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.formats import MAX_SIZE, START_SIZE, format_named, kind_of
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
    kind: str = ""  # format, by its first bytes

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
    _hand_ins: HandInService
    _drawing: DeferredLock = field(factory=DeferredLock, init=False)

    async def day(self, day: datetime.date, today: datetime.date) -> Day:
        """Return the outcome of each device on a day."""
        return await self._work.disk.read(self._day, day, today, self._known_by_day(today).get(day, {}))

    async def days(self, today: datetime.date) -> tuple[DayCount, ...]:
        """Count the outcomes of each day of the event, the latest day first."""
        return await self._work.disk.read(self._days, today, self._known_by_day(today))

    async def ranking(self, day: datetime.date) -> dict[str, tuple[Place, ...]]:
        """Return the places of a day by discipline."""
        today = self._work.live.today(self._work.fleet.now)
        tracks = await self._work.disk.read(self._sailed, day, today, self._known_by_day(today).get(day, {}))
        return {discipline: ranking(tracks, discipline) for discipline in DISCIPLINES}

    def without_owner(self, day: datetime.date) -> int:
        """Return how many handed-in tracks with fixes of a day have no owner."""
        entries = self._hand_ins.ledger.entries.values()
        return sum(not entry.file_id and not entry.trouble and day in entry.parts for entry in entries)

    def from_positions(self, day: datetime.date) -> frozenset[str]:
        """Return the names of the handed-in tracks of a day whose speeds are made from positions."""
        backups = self._backups().get(day, ())
        return frozenset(backup.name for backup in backups if not backup.report["doppler"])

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
        return self._with_backups(day, today, devices, *self._read_all())[0]

    def _with_backups(
        self,
        day: datetime.date,
        today: datetime.date,
        devices: dict[int, Device],
        ledgers: dict[int, Entries],
        results: dict[int, Entries],
        met: dict[int, float],
    ) -> tuple[Day, list[Backup]]:
        live = self._work.live
        expected, excused, assignments = live.settings.expected, live.excused.get(day, {}), live.roster.assignments
        buoys = live.on_buoys(day)
        found = reconcile(day, assignments, ledgers, results, met, devices, expected, excused, today=today, buoys=buoys)
        backups = not_collected(self._backups().get(day, ()), ledgers)
        return with_backups(found, backups, live.roster.people), backups

    def _backups(self) -> dict[datetime.date, list[Backup]]:
        return backups_of(list(self._hand_ins.ledger.entries.values()))

    def _days(self, today: datetime.date, known: dict[datetime.date, dict[int, Device]]) -> tuple[DayCount, ...]:
        live = self._work.live
        expected, excused, assignments = live.settings.expected, live.excused, live.roster.assignments
        ledgers, results, met = self._read_all()
        backups = {day: mine for day, all_of in self._backups().items() if (mine := not_collected(all_of, ledgers))}

        def complete(day: Day) -> Day:
            return with_backups(day, backups.get(day.day, ()), live.roster.people)

        return count_days(
            today, assignments, ledgers, results, met, known, expected, excused, live.buoys, complete, backups.keys()
        )

    def _read_all(self) -> tuple[dict[int, Entries], dict[int, Entries], dict[int, float]]:
        """Return for each device its ledger, the reports of its tracks, and when it last responded."""
        ledgers: dict[int, Entries] = {**self._work.folder.all_entries()}
        results: dict[int, Entries] = {identifier: self._results.of(identifier) for identifier in ledgers}
        return ledgers, results, {identifier: self._work.folder.met_at(identifier) for identifier in ledgers}

    def _sailed(self, day: datetime.date, today: datetime.date, devices: dict[int, Device]) -> list[Sailed]:
        ledgers, results, met = self._read_all()
        live = self._work.live
        of_devices = sailed_on(day, live.roster.assignments, ledgers, results, live.on_buoys(day))
        found, backups = self._with_backups(day, today, devices, ledgers, results, met)
        return sailed_with(found, of_devices, backups)

    def _track_files(self, day: datetime.date) -> tuple[TrackFile, ...]:
        files = {
            file.local_file: file
            for identifier, entries in self._work.folder.all_entries().items()
            for name, entry in entries.items()
            if day_of(name) == day and (file := self._file_of(name, entry)) is not None
        }
        for entry in list(self._hand_ins.ledger.entries.values()):
            if (path := entry.filed.get(day)) and path not in files:
                stored = {"local_file": path, "status": Status.COMPLETED, "sha256": entry.sha256}
                if (of_entry := self._file_of(path.rpartition("/")[2], stored)) is not None:
                    files[path] = of_entry
        return tuple(file for _, file in sorted(files.items()))

    def _track_file(self, identifier: int, name: str) -> TrackFile | None:
        entry = self._work.folder.entries(identifier).get(name) or self._handed_in(name)
        return self._file_of(name, entry)

    def _handed_in(self, name: str) -> dict[str, Any]:
        """Return the entry of a handed-in track, as a ledger of a device would have it."""
        for entry in list(self._hand_ins.ledger.entries.values()):
            for path in entry.filed.values():
                if path.rpartition("/")[2] == name:
                    return {"local_file": path, "status": Status.COMPLETED, "sha256": entry.sha256}
        return {}

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
            try:
                kind = kind_of(opened.read(START_SIZE))
            except OSError:
                return None
        digest, zone = str(entry.get("sha256") or ""), self._work.live.zone
        return TrackFile(name, path, digest, status.st_size, status.st_mtime_ns, zone, folder, kind)

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
