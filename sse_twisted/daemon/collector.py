"""The collector: all services and what they share, put together."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import LogLevel

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster_service import RosterService
from sse_twisted.config.settings import Settings, SettingsError, differences
from sse_twisted.control import health
from sse_twisted.control.commands import Commands
from sse_twisted.control.health import Condition
from sse_twisted.control.metrics import DelayMeter, Statistics
from sse_twisted.control.records import Records
from sse_twisted.daemon.world import World
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Fleet, Stage, what_is_missing
from sse_twisted.history.attendance import Attendance
from sse_twisted.history.events import History
from sse_twisted.history.journal import Journal, local_offset
from sse_twisted.history.replay import LogReplay
from sse_twisted.history.restore import Restorer
from sse_twisted.history.store import StateStore
from sse_twisted.results.service import ResultsService
from sse_twisted.results.short_tracks import ShortTracks
from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.text import plural
from sse_twisted.visits.cleanup import CleanupService
from sse_twisted.visits.detection import Detector
from sse_twisted.visits.downloads import MB, Downloader
from sse_twisted.visits.grace_period import GracePeriod
from sse_twisted.visits.inspection import Inspector
from sse_twisted.visits.refiling import RefilingService
from sse_twisted.visits.runner import VisitRunner
from sse_twisted.visits.scanner import ScannerService

STOP_WITHIN = 4.0  # s for all that runs to let go; what takes longer is left behind


class Collector(MultiService):
    """Collects all devices of an event into its folder, for as long as it runs."""

    def __init__(
        self, folder: EventFolder, settings: Settings, read_settings: Callable[[], Settings], world: World
    ) -> None:
        """`read_settings` reads the configuration again; it may raise SettingsError."""
        super().__init__()
        self.folder = folder
        self._lock = FolderLock(folder.root)
        self._read_settings = read_settings
        self._clock = clock = world.clock
        self._remarked: object = None
        self._remark = ""
        self._zones: object = None

        self.live = live = LiveConfig(settings, drivers=folder.drivers)
        self.journal = Journal(folder.logs, lambda: live.settings.log)
        self.log = log = live.log = self.journal.log
        self.history = History()
        self.fleet = fleet = Fleet(world.utc, log, folder.drivers.name)
        self.attendance = attendance = Attendance(fleet)
        self.statistics = Statistics(fleet)
        self.disk = disk = Disk(world.start_in_thread, clock, log, self._check_disk)
        self._names = names = world.names(lambda: live.settings.names, log)

        self._work = work = Workplace(folder, disk, fleet, live, clock, log)

        self.roster = RosterService(folder.roster, disk, live, clock, log)
        self.results = ResultsService(work)
        self.records = Records(work, self.results)
        self.refiling = RefilingService(work, self.results.rename)
        self._store = store = StateStore(work, attendance)
        self._grace = grace = GracePeriod(work)
        detector = Detector(self._http(world, lambda: live.settings.detection.timeout), names, work)
        self.scanner = scanner = ScannerService(detector, self._runner(world), grace, work, names.refresh)
        probing = self._http(
            world,
            lambda: live.settings.cleanup.timeout,
            lambda: max(live.settings.cleanup.timeout, live.settings.inspection.timeout),
        )
        self.cleanup = CleanupService(probing, scanner.visits, scanner.drop, work)
        short_tracks = ShortTracks(fleet, live, clock, log)
        restorer = Restorer(work, attendance, grace, self.refiling.turn, self._restored)
        replay = LogReplay(self.journal, self.history, work)
        meter = DelayMeter(clock, self.statistics.delayed)
        loops = (self.roster, scanner, self.cleanup, short_tracks)
        for service in (disk, store, names, *loops, self.refiling, self.results, grace, restorer, replay, meter):
            service.setServiceParent(self)

        self._observe()
        self.commands = self._commands()

    def _http(
        self, world: World, connect_timeout: Callable[[], float], answer_timeout: Callable[[], float] | None = None
    ) -> DeviceHttp:
        """Return a client with these time-outs in s; an answer may take as long as in an inspection by default."""
        statistics, run = self.statistics, self.disk.run
        answer_timeout = answer_timeout or (lambda: self.live.settings.inspection.timeout)
        agent = world.agent(connect_timeout)
        return DeviceHttp(agent, world.clock, answer_timeout, run, statistics.request, statistics.bytes_received)

    def _runner(self, world: World) -> VisitRunner:
        http, work = self._http(world, lambda: self.live.settings.inspection.timeout), self._work
        return VisitRunner(
            Inspector(http, work),
            Downloader(http, work),
            self.refiling,
            work,
            self._store.save,
            self.statistics.report,
            self.results.take,
        )

    def _observe(self) -> None:
        self.journal.observe(self.history.note)
        for name, loop in (("roster", self.roster), ("scan", self.scanner), ("cleanup", self.cleanup)):
            self.statistics.rounds_of(name, loop)
        self.disk.when_it_works_again(self.scanner.wake_waiting)
        self.disk.when_it_works_again(self.refiling.look_soon)
        self.disk.when_it_works_again(self._store.try_again)
        self.live.observe(self._take_changes)
        self.live.observe(self.refiling.look_soon)

    def _commands(self) -> Commands:
        """What the console and the board may see and do."""
        return Commands(
            work=self._work,
            history=self.history,
            statistics=self.statistics,
            scanner=self.scanner,
            grace=self._grace,
            journal=self.journal,
            read_again=self.read_again,
            measured=self.results.of,
            save=self._store.save,
        )

    def _restored(self) -> None:
        """The fleet knows what earlier runs knew."""
        self.results.fill_in()
        self._store.begin()

    def __repr__(self) -> str:
        return f"<Collector into {self.folder.root}, {'running' if self.running else 'not running'}, {self.fleet!r}>"

    def startService(self) -> None:
        """Take the event folder and begin; raises FolderInUse or OSError if it can't be had."""
        self.folder.prepare()
        self._lock.acquire()
        self.journal.startService()
        self.log.info("Collecting into {folder}", folder=str(self.folder.root))
        if leftovers := self.folder.leftovers():
            text = "{tracks} cut off by the end of an earlier run: each goes on when its device is back"
            self.log.info(text, tracks=plural(len(leftovers), "track"), count=len(leftovers))
        self.roster.read_first()
        self._take_changes()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Let go of everything within a few seconds, and say what was not collected."""
        ended: Deferred[None] = Deferred()
        # Not addTimeout: what hangs in a thread of the disk does not end by being cancelled.
        late = self._clock.callLater(STOP_WITHIN, self._leave_behind, ended)

        def end(_: object) -> None:
            if not ended.called:
                late.cancel()
                ended.callback(None)

        maybeDeferred(super().stopService).addBoth(end)
        return ended.addCallback(self._close)

    def reload(self) -> None:
        """Read the configuration again and put it in force; a broken one leaves the old one in force, loudly."""
        with contextlib.suppress(SettingsError):  # it is in the log
            self.read_again()

    def read_again(self) -> tuple[str, ...]:
        """As `reload`, for somebody who wants to know: gives what changed, or raises SettingsError."""
        try:
            settings = self._read_settings()
        except SettingsError as error:
            self.log.error("The configuration before stays in force: {error}", error=str(error))
            raise
        changed = list(differences(self.live.settings, settings))
        for change in changed:
            later = " (from the next start on)" if change.startswith("event.folder") else ""
            self.log.info("Configuration: {change}{later}", change=change, later=later)
        if not changed:
            self.log.info("The configuration is as before")
        self.live.change(settings=settings)
        self.scanner.reconfigure()
        self.cleanup.reconfigure()
        self.journal.reconfigure()
        return tuple(changed)

    def conditions(self) -> tuple[Condition, ...]:
        """Whether the collector has what it needs: scanning, names, downloads and clock."""
        now = self._clock.seconds()
        today = self.live.today(self.fleet.now)
        interval = self.live.settings.scan.interval
        expected = len(self.live.roster.carriers(today))
        return (
            health.scanning(bool(self.scanner.running), self.scanner.last_round, interval, now),
            health.names(self._names.trouble),
            health.downloads(self.disk.trouble, "requested by an operator" if self.live.paused else ""),
            health.clock(self.fleet.now, today, expected, self.fleet),
        )

    def _check_disk(self) -> None:
        reserve = self.live.settings.downloads.disk_reserve * MB
        self.folder.check_writable()
        free = self.folder.free()
        if free < reserve:
            raise OSError(f"only {free / MB:,.0f} MB free")

    def _take_changes(self) -> None:
        """The roster or the settings are others now."""
        roster = self.live.roster
        numbers = (target.identifier for target in self.live.targets())
        self._remark_on_days()
        self._remark_on_zone()
        self.fleet.expect({number: roster.sailor(number) for number in numbers if number})
        remark, self._remark = self._remark, self.live.remark_on_rounds()
        if self._remark and not remark:
            self.log.info("Rounds: {remark}", remark=self._remark)
        if not self.scanner.running:
            return
        for visit in self.scanner.visits.values():
            if visit.rules != self.live.filing_rules(visit.identifier, visit.timezone):
                visit.wake()
        self.scanner.round_now()

    def _remark_on_days(self) -> None:
        """Say once that today is not of the event: with a roster of another year nobody's tracks would be wanted."""
        today, days = self.live.today(self.fleet.now), self.live.days
        if days is None or days[0] <= today <= days[1]:
            return
        text = "Today, {today}, is no day of the event ({first} to {last}): are roster and clock right?"
        if (remark := (today, days)) != self._remarked:
            self._remarked = remark
            self.log.emit(LogLevel.warn, text, today=str(today), first=str(days[0]), last=str(days[1]))

    def _remark_on_zone(self) -> None:
        """Say once that the times of server.log are others than those of the board, if they are."""
        now, event = self.fleet.now, self.live.zone
        here = datetime.timezone(local_offset(now))
        if (zones := (here, event)) != self._zones and here != event:
            text = "Times in server.log are {here}, as of this computer; on the board they are {event}, as of the event"
            self.log.info(text, here=str(here), event=str(event))
        self._zones = zones

    def _leave_behind(self, ended: Deferred[None]) -> None:
        self.log.error("Not everything ended within {seconds:g} s", seconds=STOP_WITHIN)
        ended.callback(None)

    def _close(self, _: object) -> None:
        self._summarise()
        self.journal.stopService()
        self._lock.release()

    def _summarise(self) -> None:
        for device in self.fleet:
            if device.left_early and device.stage is Stage.ABSENT:  # nobody knows yet whether it has left
                self.log.error("{device} is not collected - {lost}", device=device.name, lost=device.left_early)
            elif device.left_early:
                self.log.error("{device} left too early - {lost}", device=device.name, lost=device.left_early)
            elif device.waived:
                self.log.info("{device} is waived - {waived}", device=device.name, waived=device.waived)
            elif device.present and device.stage is not Stage.COLLECTED:
                self.log.error("{device} is not collected - {lost}", device=device.name, lost=what_is_missing(device))
        collected = sum(device.is_collected for device in self.fleet)
        text = "The collector stops: {devices} collected since its start"
        self.log.info(text, devices=plural(collected, "device"), collected=collected)
