"""The commands of console and board: reading the state of a running collector, and acting on it.

Commands return frozen values, or Deferreds of them, and raise CommandError; they format nothing for a screen.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import define
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.settings import Log, Settings, SettingsError
from sse_twisted.control.courses import CourseCommands
from sse_twisted.control.errors import CommandError, UnknownDevice
from sse_twisted.control.explain import status_of
from sse_twisted.control.hand_ins import HandInCommands
from sse_twisted.control.metrics import Figures, Statistics
from sse_twisted.control.reports import DayTracks, DeviceReport, Missing, Semaphore
from sse_twisted.control.roster import RosterCommands
from sse_twisted.control.saving import saved
from sse_twisted.control.tracks import find_track, known_tracks, stored
from sse_twisted.copies.copy import CopyReport
from sse_twisted.copies.service import CopiesService
from sse_twisted.event_folder.track_name import day_of
from sse_twisted.event_folder.track_report import TrackReport, entry_report, log_report, number_of
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device, Stage, what_is_missing
from sse_twisted.history.events import History
from sse_twisted.history.journal import Journal
from sse_twisted.history.pause import Pause
from sse_twisted.runtime.disk import DiskHangs
from sse_twisted.runtime.log_levels import LEVELS
from sse_twisted.runtime.text import one_line
from sse_twisted.tracks.report import Report
from sse_twisted.visits.grace_period import GracePeriod
from sse_twisted.visits.scanner import ScannerService
from sse_twisted.visits.visit import Visit

MAX_REPORTED = 300  # tracks of a device; the longest listing seen has 213
REPORTED_EVENTS = 20  # in the report of a device


@define(kw_only=True)
class Commands:
    """Reading and acting. A device is named by its number, as 601 or "601", or by its host name.

    `read_again` reads the configuration and returns what changed; it may raise SettingsError. `measured` returns the
    reports of a device's tracks by name; `save` writes the state file.
    """

    _work: Workplace
    _history: History
    _statistics: Statistics
    roster: RosterCommands
    courses: CourseCommands
    hand_ins: HandInCommands
    _scanner: ScannerService
    _grace: GracePeriod
    _journal: Journal
    _read_again: Callable[[], Coroutine[Any, Any, tuple[str, ...]]]
    _measured: Callable[[int], Mapping[str, Report]]
    _save: Callable[[], Coroutine[Any, Any, None]]
    _pause: Pause
    _copies: CopiesService

    # Reading

    @property
    def now(self) -> float:
        """The time in s since 1970, as in snapshots."""
        return self._work.fleet.now

    @property
    def today(self) -> datetime.date:
        """The date in the time zone of the event."""
        return self._work.live.today(self.now)

    @property
    def zone(self) -> datetime.tzinfo:
        """The time zone of the event, for the times shown."""
        return self._work.live.zone

    @property
    def settings(self) -> Settings:
        return self._work.live.settings

    def fleet(self) -> tuple[Device, ...]:
        return tuple(sorted(self._work.fleet, key=lambda device: device.identifier))

    def device(self, identifier: int | str) -> Deferred[DeviceReport]:
        return Deferred.fromCoroutine(self._device_report(self._known(identifier)))

    def tracks(self, day: datetime.date | str) -> Deferred[DayTracks]:
        """Read the ledger entries of the tracks of a day: a date or "YYYY-MM-DD"."""
        try:
            day = datetime.date.fromisoformat(str(day))
        except ValueError:
            raise CommandError(f"invalid date {one_line(str(day), 40)!r}: expected YYYY-MM-DD") from None
        return Deferred.fromCoroutine(self._work.disk.read(self._tracks_on, day))

    def missing(self) -> tuple[Missing, ...]:
        """Return the devices expected today that are neither collected nor waived today."""
        sailors = self.expected()
        return tuple(
            Missing(each.identifier, each.name, sailors[each.identifier], str(each.stage), self.why(each.identifier))
            for each in self.not_collected()
        )

    def expected(self) -> dict[int, str]:
        """Return the sailors of today by device, without buoys and devices that an operator does not expect."""
        live, today = self._work.live, self.today
        buoys = live.on_buoys(today)
        return {
            number: sailor
            for number, sailor in live.roster.expected(today).items()
            if number not in buoys and not live.not_expected(number, today)
        }

    def not_collected(self) -> tuple[Device, ...]:
        """Return the devices expected today that are not collected today, by number."""
        expected = (self._work.fleet[identifier] for identifier in sorted(self.expected()))
        return tuple(device for device in expected if not self._is_collected_today(device))

    def why(self, identifier: int | str) -> str:
        """Describe the status of a device and what it waits for, in one line."""
        device = self._known(identifier)
        events = self._history.of(device.identifier)
        return status_of(device, self.now, self._work.live, self._work.disk.trouble, events)

    def stats(self) -> Figures:
        return self._statistics.figures()

    def semaphores(self) -> tuple[Semaphore, ...]:
        """Count the devices in each step, and those that wait for it."""
        return tuple(
            Semaphore(step, semaphore.limit, semaphore.tokens, len(semaphore.waiting))
            for step, semaphore in vars(self._work.live.limits).items()
        )

    def copies(self) -> tuple[CopyReport, ...]:
        """Return how far each copy of the event folder is behind."""
        return self._copies.reports()

    # Acting

    def rescan(self) -> None:
        """Scan for absent devices now."""
        self._scanner.scan_now()

    def retry(self, identifier: int | str) -> Deferred[Device]:
        """Inspect a device again now; fires with its snapshot after the next verdict."""
        visit = self._present(identifier)
        self._work.log.info("{device} retry requested", device=visit.name)
        verdict = self._when(visit.identifier, lambda device: device.stage in (Stage.COLLECTED, Stage.ATTENTION))
        visit.wake()
        return verdict

    def fetch(self, identifier: int | str, track: str) -> Deferred[TrackReport]:
        """Download a track that was skipped or is outside the event, by its name or its path on the device.

        The device must stay connected until the Deferred fires, with the track's entry of the ledger. It fails if the
        device is disconnected before.
        """
        return Deferred.fromCoroutine(self._fetch(self._present(identifier), track))

    def forget(self, identifier: int | str) -> None:
        """Reset the visit of a device, so that its next detection begins a new visit. Files and alarms stay.

        A device that was not collected and is not found again has left too early.
        """
        device = self._known(identifier)
        is_done = not device.present or device.stage is Stage.COLLECTED
        if (visit := self._scanner.visits.get(device.identifier)) is not None:
            self._scanner.drop(visit)
        self._work.fleet.forget(device.identifier, "" if is_done else what_is_missing(device))
        if not is_done:
            self._grace.wait_for(device.identifier)
        self._work.log.info("{device} visit reset on request", device=device.name)

    def pause(self) -> Deferred[None]:
        """Start no further downloads; those in progress finish, and everything else continues.

        Fires when the pause is on disk: it survives a restart, and ends with the day.
        """
        return saved(self._work.disk, self._pause.begin(), "downloads paused, but only until a restart")

    def resume(self) -> Deferred[None]:
        """Resume downloads now; fires when that is on disk."""
        return saved(self._work.disk, self._pause.end(), "downloads resumed, but only until a restart")

    def waive(self, identifier: int | str, reason: str) -> Deferred[None]:
        """Waive the missing tracks of a device that left too early; fires after an attempt to save the waiver."""
        device = self._known(identifier)
        reason = one_line(" ".join(str(reason).split()))
        if not device.left_early:
            raise CommandError(f"{device.name} did not leave early")
        if device.present:
            raise CommandError(f"{device.name} is connected again: waive it if it leaves with tracks missing")
        if not reason:
            raise CommandError(f"a reason is required to waive {device.name}")
        waived = f"{reason} ({device.left_early})"
        self._work.log.warn("{device} is waived - {waived}", device=device.name, waived=waived)
        self._work.fleet.update(device.identifier, left_early="", waived=waived)
        return saved(self._work.disk, self._save(), "waived, but not saved yet")

    def not_expected(self, identifier: int | str, reason: str) -> Deferred[None]:
        """Do not expect a device of today's roster today; fires after an attempt to save that."""
        return self.roster.not_expected(self._known(identifier), reason)

    def expect(self, identifier: int | str) -> Deferred[None]:
        """Expect a device again that was not expected today; fires after an attempt to save that."""
        return self.roster.expect(self._known(identifier))

    def reload(self) -> Deferred[tuple[str, ...]]:
        """Reload the configuration, as on SIGHUP; fires with what changed."""
        return Deferred.fromCoroutine(self._reload())

    def loglevel(self, level: str) -> None:
        """Set the level of twistd's log and of the event's log, until the configuration is reloaded."""
        if level not in LEVELS:
            raise CommandError(f"invalid log level {one_line(str(level), 40)!r}: expected {', '.join(LEVELS)}")
        self._work.live.change(settings=replace(self.settings, log=Log(console=level, file=level)))
        self._journal.reconfigure()
        self._work.log.info("Log level set to {name} on request", name=level)

    # Helpers

    async def _reload(self) -> tuple[str, ...]:
        try:
            return await self._read_again()
        except SettingsError as error:
            raise CommandError(f"invalid configuration, keeping the previous one: {error}") from None
        except DiskHangs as error:
            raise CommandError(f"cannot read the configuration, keeping the previous one: {error}") from None

    def _is_collected_today(self, device: Device) -> bool:
        """Whether no more tracks of today are expected.

        A device may have more if it left on another day, has no track of today, or is on but not responding correctly.
        Those of a device that is waived are not expected.
        """
        if device.oddity:
            return False
        sailed = any(track.day == self.today for track in device.tracks)
        is_gone = device.stage is Stage.GONE and self._work.live.is_same_day(device.since, self.now)
        if device.waived:
            return is_gone and not device.left_early
        return device.is_collected and (device.present or (is_gone and sailed))

    def _known(self, identifier: int | str) -> Device:
        text = str(identifier)
        number = int(text) if re.fullmatch("[1-9][0-9]{0,5}", text, re.ASCII) else self._work.live.drivers.number(text)
        device = next((device for device in self._work.fleet if device.identifier == number), None)
        if device is None:
            name = self._work.live.drivers.name(number) if number else one_line(repr(identifier), 40)
            raise UnknownDevice(f"{name} is not on the roster and was never seen")
        return device

    def _present(self, identifier: int | str) -> Visit:
        device = self._known(identifier)
        visit = self._scanner.visits.get(device.identifier)
        if visit is None or not device.present:
            raise CommandError(f"{device.name} is not connected ({device.stage})")
        return visit

    def _when(self, identifier: int, holds: Callable[[Device], bool]) -> Deferred[Device]:
        """Fire when a change of a connected device makes `holds` true; fail when it is disconnected."""
        moment: Deferred[Device] = Deferred(lambda _: stop())

        def look(_: Device, after: Device) -> None:
            if after.identifier != identifier:
                return
            if not after.present:
                stop()
                moment.errback(CommandError(f"{after.name} is no longer connected"))
            elif holds(after):
                stop()
                moment.callback(after)

        stop = self._work.fleet.observe(look)
        return moment

    async def _device_report(self, device: Device) -> DeviceReport:
        identifier = device.identifier
        visit = self._scanner.visits.get(identifier)
        rules = self._work.live.filing_rules(identifier, visit.timezone if visit else None)
        tracks, others, more_tracks, more_others = await self._work.disk.read(self._track_reports, identifier, rules)
        return DeviceReport(
            self._work.fleet[identifier],
            rules.assignments,
            self._history.of(identifier)[-REPORTED_EVENTS:],
            tracks,
            others,
            more_tracks,
            more_others,
        )

    def _track_reports(
        self, identifier: int, rules: FilingRules
    ) -> tuple[tuple[TrackReport, ...], tuple[TrackReport, ...], int, int]:
        """Return the youngest tracks of the event and of other days, and how many are left out. Blocks."""
        ledger, listed = known_tracks(self._work.folder, identifier, rules)
        others = [track for track in listed if not track.of_event and track.name not in ledger.entries]
        if (more_others := max(len(others) - MAX_REPORTED, 0)) > 0:
            others = sorted(others, key=lambda track: track.log.start_date)[more_others:]
        return (
            self._reports(identifier, ledger.entries),
            tuple(map(log_report, others)),
            max(len(ledger.entries) - MAX_REPORTED, 0),
            more_others,
        )

    def _reports(self, identifier: int, entries: Mapping[str, Mapping[str, Any]]) -> tuple[TrackReport, ...]:
        """Return the reports of the youngest tracks, by name."""
        if len(entries) > MAX_REPORTED:
            youngest = sorted(entries, key=lambda name: number_of(entries[name], "start_date"))[-MAX_REPORTED:]
            entries = {name: entries[name] for name in youngest}
        measured = self._measured(identifier)
        return tuple(
            entry_report(identifier, name, entry, measured.get(name)) for name, entry in sorted(entries.items())
        )

    def _tracks_on(self, day: datetime.date) -> DayTracks:
        """Return the tracks of a day in all ledgers. Blocks."""
        reports: list[TrackReport] = []
        left_out = 0
        for identifier, entries in self._work.folder.all_entries().items():
            of_day = {name: entries[name] for name in entries if day_of(name) == day}
            reports += self._reports(identifier, of_day)
            left_out += max(len(of_day) - MAX_REPORTED, 0)
        return DayTracks(tuple(reports), left_out)

    async def _fetch(self, visit: Visit, name: str) -> TrackReport:
        identifier = visit.identifier
        rules = self._work.live.filing_rules(identifier, visit.timezone)
        track, is_deleted = await self._work.disk.read(find_track, self._work.folder, identifier, str(name), rules)
        if self._scanner.visits.get(identifier) is not visit:
            raise CommandError(f"{visit.name} is no longer connected")
        self._work.log.info("{device} {track} download requested", device=visit.name, track=track.name)

        def is_stored(_: Device) -> bool:
            return bool(stored(visit.ledger, track))

        def is_missed(device: Device) -> bool:
            return visit.ledger is not None and not is_stored(device)

        # The ledger says that a deleted track is stored until the visit has missed its file.
        change = self._when(identifier, is_missed if is_deleted else is_stored)
        self._work.live.ask_for(identifier, track.log.file)
        visit.wake()
        await change
        if is_deleted:
            await self._when(identifier, is_stored)
        report, *_ = self._reports(identifier, stored(visit.ledger, track))
        return report
