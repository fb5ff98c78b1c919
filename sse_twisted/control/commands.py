"""The one room of commands, which console and web share: what can be asked of a running collector, and told to it.

Nothing here is made for a screen: commands give frozen values, or Deferreds of them, and raise CommandError with one
line.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import define, evolve
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.settings import Log, Settings, SettingsError
from sse_twisted.control.explain import waits_for
from sse_twisted.control.metrics import Figures, Statistics
from sse_twisted.control.reports import DeviceReport, Missing, Semaphore
from sse_twisted.devices.errors import DeviceError
from sse_twisted.event_folder.ledger import Ledger, Status
from sse_twisted.event_folder.naming import EventTrack, all_tracks, log_key
from sse_twisted.event_folder.track_name import day_of
from sse_twisted.event_folder.track_report import TrackReport, entry_report, log_report
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device, Stage, what_is_missing
from sse_twisted.history.events import History
from sse_twisted.history.journal import Journal
from sse_twisted.runtime.log_levels import LEVELS
from sse_twisted.runtime.text import one_line
from sse_twisted.tracks.report import Report
from sse_twisted.visits.grace_period import GracePeriod
from sse_twisted.visits.scanner import ScannerService
from sse_twisted.visits.visit import Visit

LAST = 20  # events of a device's report


class CommandError(Exception):
    """Why a command can't be done, in one line."""


class UnknownDevice(CommandError):
    """Nobody carries it, and nobody has seen it."""


@define(kw_only=True)
class Commands:
    """Reading and acting. A device is named by its number, as 601 or "601", or by its host name.

    `read_again` reads the configuration and returns what changed; it may raise SettingsError. `measured` returns what
    the tracks of a device say themselves, by name; `save` writes what is known of the fleet to disk.
    """

    _work: Workplace
    _history: History
    _statistics: Statistics
    _scanner: ScannerService
    _grace: GracePeriod
    _journal: Journal
    _read_again: Callable[[], tuple[str, ...]]
    _measured: Callable[[int], Mapping[str, Report]]
    _save: Callable[[], Coroutine[Any, Any, None]]

    # Reading

    @property
    def now(self) -> float:
        """In s since 1970, as the times of snapshots."""
        return self._work.fleet.now

    @property
    def today(self) -> datetime.date:
        """The day of the event."""
        return self._work.live.today(self.now)

    @property
    def zone(self) -> datetime.tzinfo:
        """The time zone of the event, for times that are shown."""
        return self._work.live.zone

    @property
    def settings(self) -> Settings:
        return self._work.live.settings

    @property
    def paused(self) -> bool:
        return self._work.live.paused

    def fleet(self) -> tuple[Device, ...]:
        return tuple(sorted(self._work.fleet, key=lambda device: device.identifier))

    def device(self, identifier: int | str) -> Deferred[DeviceReport]:
        return Deferred.fromCoroutine(self._device_report(self._known(identifier)))

    def tracks(self, day: datetime.date | str) -> Deferred[tuple[TrackReport, ...]]:
        """What the ledgers say of the tracks of one day, a date or "YYYY-MM-DD"."""
        return Deferred.fromCoroutine(self._tracks(_day(day)))

    def missing(self) -> tuple[Missing, ...]:
        """Who is expected today, and has not been collected today."""
        carriers = self._work.live.roster.carriers(self.today)
        devices = (self._work.fleet[identifier] for identifier in sorted(carriers))
        return tuple(
            Missing(device.identifier, assignment.sailor, str(device.stage), self.why(device.identifier))
            for device, assignment in ((device, carriers[device.identifier]) for device in devices)
            if not self._is_collected_today(device)
        )

    def why(self, identifier: int | str) -> str:
        """What a device is waiting for now, in words."""
        device = self._known(identifier)
        return waits_for(
            device, self.now, self._work.live, self._work.disk.trouble, self._history.of(device.identifier)
        )

    def stats(self) -> Figures:
        return self._statistics.figures()

    def semaphores(self) -> tuple[Semaphore, ...]:
        """How many devices are in each step, and how many wait for it."""
        return tuple(
            Semaphore(step, semaphore.limit, semaphore.tokens, len(semaphore.waiting))
            for step, semaphore in vars(self._work.live.limits).items()
        )

    # Acting

    def rescan(self) -> None:
        """Look for every device that is not there, now."""
        self._scanner.round_now()

    def retry(self, identifier: int | str) -> Deferred[Device]:
        """Look at everything of a device again, now; fires with what is known of it after its next verdict."""
        visit = self._present(identifier)
        self._work.log.info("{device} is looked at again, as asked for", device=visit.name)
        verdict = self._when(visit.identifier, lambda device: device.stage in (Stage.COLLECTED, Stage.ATTENTION))
        visit.wake()
        return verdict

    def fetch(self, identifier: int | str, track: str) -> Deferred[TrackReport]:
        """Want a track that was skipped, or is of another time: by its name, or its path on the device.

        The device must stay connected until it is here. Fires then, with its entry of the ledger; fails if the device
        goes before.
        """
        return Deferred.fromCoroutine(self._fetch(self._present(identifier), track))

    def forget(self, identifier: int | str) -> None:
        """End a device's visit and know nothing of it, so that it is looked for anew. No file and no alarm is lost.

        One that was here, was not done, and is not found again has left too early.
        """
        device = self._known(identifier)
        is_done = not device.present or device.stage is Stage.COLLECTED
        if (visit := self._scanner.visits.get(device.identifier)) is not None:
            self._scanner.drop(visit)
        self._work.fleet.forget(device.identifier, "" if is_done else what_is_missing(device))
        if not is_done:
            self._grace.wait_for(device.identifier)
        self._work.log.info("{device} is forgotten, as asked for, and looked for anew", device=device.name)

    def pause(self) -> None:
        """Begin no further download; those under way come to their end, and everything else goes on."""
        if not self.paused:
            self._work.log.warn("Downloads are paused, as asked for")
            self._work.live.change(paused=True)

    def resume(self) -> None:
        """Go on with downloads, at once."""
        if self.paused:
            self._work.log.warn("Downloads are resumed, as asked for")
            self._work.live.change(paused=False)
            for visit in self._scanner.visits.values():
                if self._work.fleet[visit.identifier].stage is not Stage.COLLECTED:
                    visit.wake()

    def waive(self, identifier: int | str, reason: str) -> Deferred[None]:
        """Wait no more for what a device had that left too early. Fires when it is on the disk, or can't be."""
        device = self._known(identifier)
        reason = one_line(" ".join(str(reason).split()))
        if not device.left_early:
            raise CommandError(f"{device.name} did not leave early")
        if not reason:
            raise CommandError(f"why is {device.name} waived? A reason is needed")
        waived = f"{reason} ({device.left_early})"
        self._work.log.warn("{device} is waived - {waived}", device=device.name, waived=waived)
        self._work.fleet.update(device.identifier, left_early="", waived=waived)
        return Deferred.fromCoroutine(self._save())

    def reload(self) -> tuple[str, ...]:
        """Read the configuration again, as on SIGHUP; gives what changed."""
        try:
            return self._read_again()
        except SettingsError as error:
            raise CommandError(f"the configuration before stays in force: {error}") from None

    def loglevel(self, level: str) -> None:
        """Log from this level on, in twistd's log and in the event's, until the configuration is read again."""
        if level not in LEVELS:
            raise CommandError(f"{one_line(str(level), 40)!r} is none of {', '.join(LEVELS)}")
        self._work.live.change(settings=replace(self.settings, log=Log(console=level, file=level)))
        self._journal.reconfigure()
        self._work.log.info("The log level is {name} now, as asked for", name=level)

    # Inside

    def _is_collected_today(self, device: Device) -> bool:
        """One that went on another day or without a track of today, or is on again and answers badly, may have more."""
        sailed = any(track.day == self.today for track in device.tracks)
        settled = sailed and self._work.live.is_same_day(device.since, self.now) and not device.oddity
        return device.is_collected and (device.present or settled)

    def _known(self, identifier: int | str) -> Device:
        text = str(identifier)
        number = int(text) if re.fullmatch("[1-9][0-9]{0,5}", text, re.ASCII) else self._work.live.drivers.number(text)
        device = next((device for device in self._work.fleet if device.identifier == number), None)
        if device is None:
            name = self._work.live.drivers.name(number) if number else one_line(repr(identifier), 40)
            raise UnknownDevice(f"{name} is on no roster, and was not seen")
        return device

    def _present(self, identifier: int | str) -> Visit:
        device = self._known(identifier)
        visit = self._scanner.visits.get(device.identifier)
        if visit is None or not device.present:
            raise CommandError(f"{device.name} is not here ({device.stage})")
        return visit

    def _when(self, identifier: int, holds: Callable[[Device], bool]) -> Deferred[Device]:
        """Fires when something becomes true of a device that is there; fails when it goes."""
        moment: Deferred[Device] = Deferred(lambda _: stop())

        def look(_: Device, after: Device) -> None:
            if after.identifier != identifier:
                return
            if not after.present:
                stop()
                moment.errback(CommandError(f"{after.name} has gone"))
            elif holds(after):
                stop()
                moment.callback(after)

        stop = self._work.fleet.observe(look)
        return moment

    async def _device_report(self, device: Device) -> DeviceReport:
        identifier = device.identifier
        visit = self._scanner.visits.get(identifier)
        rules = self._work.live.filing_rules(identifier, visit.timezone if visit else None)
        tracks, others = await self._work.disk.run(self._read_tracks, identifier, rules)
        return DeviceReport(
            self._work.fleet[identifier], rules.assignments, self._history.of(identifier)[-LAST:], tracks, others
        )

    def _read_tracks(
        self, identifier: int, rules: FilingRules
    ) -> tuple[tuple[TrackReport, ...], tuple[TrackReport, ...]]:
        """In a thread: what the ledger says, and what the device lists of other times."""
        entries = self._work.folder.entries(identifier)
        try:
            listed = all_tracks(
                identifier, self._work.folder.listing(identifier), rules, self._ledger(identifier).named()
            )
        except (OSError, DeviceError):  # never inspected
            listed = ()
        others = [track for track in listed if not track.of_event and track.name not in entries]
        mine = (self._report(identifier, name, entry) for name, entry in sorted(entries.items()))
        return tuple(mine), tuple(log_report(track) for track in others)

    def _report(self, identifier: int, name: str, entry: Mapping[str, Any]) -> TrackReport:
        return entry_report(identifier, name, entry, self._measured(identifier).get(name))

    async def _tracks(self, day: datetime.date) -> tuple[TrackReport, ...]:
        everything = await self._work.disk.run(self._work.folder.all_entries)
        return tuple(
            self._report(identifier, name, entry)
            for identifier, entries in everything.items()
            for name, entry in sorted(entries.items())
            if day_of(name) == day
        )

    async def _fetch(self, visit: Visit, name: str) -> TrackReport:
        rules = self._work.live.filing_rules(visit.identifier, visit.timezone)
        track, is_deleted = await self._work.disk.run(self._find, visit, str(name), rules)
        if self._scanner.visits.get(visit.identifier) is not visit:
            raise CommandError(f"{visit.name} has gone")
        self._work.log.info("{device} {track} is asked for", device=visit.name, track=track.name)
        here = self._when(visit.identifier, self._arrival(visit, track, is_deleted))
        self._work.live.ask_for(visit.identifier, track.log.file)
        visit.wake()
        await here
        return self._report(visit.identifier, *_completed(visit.ledger, track)[0])

    def _arrival(self, visit: Visit, track: EventTrack, is_deleted: bool) -> Callable[[Device], bool]:
        """Whether the track is here now. Of one that was deleted the ledger says so until its visit has looked."""
        is_missed = not is_deleted

        def has_come(_: Device) -> bool:
            nonlocal is_missed
            if visit.ledger is None:
                return False
            is_completed = bool(_completed(visit.ledger, track))
            is_missed = is_missed or not is_completed
            return is_missed and is_completed

        return has_come

    def _find(self, visit: Visit, name: str, rules: FilingRules) -> tuple[EventTrack, bool]:
        """In a thread: the listed track that is meant, if it is not here; as it will be named when it is wanted.

        And whether the ledger says that it is here, though it is not.
        """
        try:
            listing = self._work.folder.listing(visit.identifier)
        except (OSError, DeviceError):
            raise CommandError(f"{visit.name}: its listing is not known yet") from None
        ledger = self._ledger(visit.identifier)
        named = ledger.named()
        tracks = all_tracks(visit.identifier, listing, rules, named)
        found = [track for track in tracks if name in (track.name, track.local_file, track.log.file)]
        if not found:
            raise CommandError(f"{visit.name} lists no track {one_line(name)}")
        if problem := found[0].log.path_problem:
            raise CommandError(f"{found[0].name} can't be asked for: {problem}")
        if self._work.folder.held(found[0], ledger) is not None:
            raise CommandError(f"{found[0].name} is here: {found[0].local_file}")
        asked_for = evolve(rules, asked_for=rules.asked_for | {found[0].log.file})
        wanted = all_tracks(visit.identifier, listing, asked_for, named)
        track = next(track for track in wanted if track.log == found[0].log)
        return track, bool(_completed(ledger, track))

    def _ledger(self, identifier: int) -> Ledger:
        """In a thread: what is on disk, to be looked at only."""
        path = self._work.folder.ledger_path(identifier)
        try:
            return Ledger.read(path) or Ledger(path)
        except OSError:
            return Ledger(path)


def _completed(ledger: Ledger | None, track: EventTrack) -> list[tuple[str, dict[str, Any]]]:
    """The entry of a track that is here now, whatever its name is by now, and however much it has grown."""
    entries = ledger.entries if ledger is not None else {}
    return [
        (name, entry)
        for name, entry in entries.items()
        if entry.get("status") == Status.COMPLETED
        and (entry.get("motion_file"), entry.get("start_date")) == log_key(track.log)
        and type(entry.get("size")) is int
        and entry["size"] >= track.log.size
    ]


def _day(day: datetime.date | str) -> datetime.date:
    if isinstance(day, datetime.date):
        return day
    try:
        return datetime.date.fromisoformat(day)
    except (TypeError, ValueError):
        raise CommandError(f"{one_line(str(day), 40)!r} is no date of the form YYYY-MM-DD") from None
