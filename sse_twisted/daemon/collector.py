"""The collector: all services and what they share, put together."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster_reader import RosterFiles, RosterReader
from sse_twisted.config.roster_service import RosterService
from sse_twisted.config.server_json import ConfigRemark
from sse_twisted.config.settings import Settings
from sse_twisted.control import health
from sse_twisted.control.commands import Commands
from sse_twisted.control.courses import CourseCommands
from sse_twisted.control.gauges import StateGauges
from sse_twisted.control.hand_ins import HandInCommands
from sse_twisted.control.health import Condition
from sse_twisted.control.metrics import DelayMeter, Statistics
from sse_twisted.control.records import Records
from sse_twisted.control.roster import RosterCommands
from sse_twisted.copies.service import CopiesService
from sse_twisted.copies.source import Source
from sse_twisted.daemon.reloading import Reloading
from sse_twisted.daemon.remarks import Remarks, summarise
from sse_twisted.daemon.world import World
from sse_twisted.devices.answer_json import SHORT
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.event_folder.files import quarantine
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.event_folder.planned_moves import planned_moves
from sse_twisted.event_folder.presence import Presence
from sse_twisted.event_folder.space import MB
from sse_twisted.event_folder.watch import FolderWatch
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device, Fleet
from sse_twisted.handin.service import HandInService
from sse_twisted.handin.watch import HandInWatch
from sse_twisted.history.attendance import Attendance
from sse_twisted.history.events import History
from sse_twisted.history.journal import Journal
from sse_twisted.history.pause import Pause
from sse_twisted.history.replay import LogReplay
from sse_twisted.history.restore import Restorer
from sse_twisted.history.store import StateStore
from sse_twisted.results.courses.service import CourseService
from sse_twisted.results.service import ResultsService
from sse_twisted.results.short_tracks import ShortTracks
from sse_twisted.runtime.disk import OF_THE_DISK, Disk, answers
from sse_twisted.runtime.text import plural
from sse_twisted.runtime.worker import Runner
from sse_twisted.visits.cleanup import CleanupService
from sse_twisted.visits.detection import Detector
from sse_twisted.visits.downloads import Downloader
from sse_twisted.visits.grace_period import GracePeriod
from sse_twisted.visits.inspection import Inspector
from sse_twisted.visits.refiling import RefilingService
from sse_twisted.visits.runner import VisitRunner
from sse_twisted.visits.scanner import ScannerService

T = TypeVar("T")

STOP_TIMEOUT = 4.0  # s; a service that takes longer to stop is abandoned
HANGING_STOP_TIMEOUT = 2.0  # s; the same, if the disk hangs already
PROBE_TIMEOUT = 0.3  # s that the disk has at the end to show that it does not hang
LAST_COPY = (0.5, 2.0)  # s that the copies have at the end: at least, if the services took all of that time; at most


class Collector(MultiService):
    """Collects all devices of an event into its folder while it runs."""

    def __init__(
        self,
        folder: EventFolder,
        settings: Settings,
        read_settings: Callable[[], Settings],
        world: World,
        config_remarks: Callable[[], tuple[ConfigRemark, ...]] = tuple,
        configuration: Path | None = None,
        secret_files: tuple[Path, ...] = (),
    ) -> None:
        """`read_settings` reads the configuration again; it may raise SettingsError. `config_remarks` remarks on it.

        The copies have the file `configuration`, and none of `secret_files`.
        """
        super().__init__()
        self._source = Source(folder, configuration, secret_files)
        self.folder = folder
        self._lock = FolderLock(folder.root)
        self._world = world
        self._clock = clock = world.clock
        self.abandoned = False  # whether something still ran when it stopped

        self.live = live = LiveConfig(settings, drivers=folder.drivers)
        self._presence = Presence(folder, self._lock)
        self.journal = Journal(folder.logs, lambda: live.settings.log, self._presence.check)
        self.log = log = live.log = self.journal.log
        self.history = History(folder.drivers.number)
        self.fleet = Fleet(world.utc, log, folder.drivers.name)
        self.attendance = Attendance(self.fleet)
        self.statistics = Statistics(self.fleet)
        self.disk = Disk(world.start_in_thread, clock, log, self._check_disk, self._presence.check)
        self._work = Workplace(folder, self.disk, self.fleet, live, clock, log, self._compute(world))
        self._remarks = Remarks(self._work)
        self._assemble()
        self.reloading = Reloading(
            read_settings,
            config_remarks,
            self._work,
            self._remarks.on_configuration,
            (self.scanner, self.cleanup, self.journal, self.copies),
        )
        self._observe()
        self.commands = commands = self._make_commands()
        gauges = StateGauges(
            self.fleet,
            self.conditions,
            lambda: live.paused,
            commands.expected,
            commands.not_collected,
            self.copies.reports,
        )
        self.statistics.registry.register(gauges)

    def _compute(self, world: World) -> Runner:
        """Return what measures tracks: a process of its own, or threads."""
        if world.worker is None:
            return self.disk.run
        worker = world.worker(self.log)
        worker.setServiceParent(self)
        return worker.run

    def _assemble(self) -> None:
        work, live, clock, log = self._work, self.live, self._clock, self.log
        self._names = names = self._world.names(lambda: live.settings.names, log)
        self.roster = RosterService(self._roster_reader(), self.disk, live, clock, self._today, log)
        self.results = ResultsService(work)
        self.hand_ins = HandInService(work)
        self.records = Records(work, self.results, self.hand_ins)
        self.courses = CourseService(work)
        self.refiling = RefilingService(work, self.results.rename)
        self._store = store = StateStore(work, self.attendance)
        self.pause = Pause(work, lambda: self.scanner.wake_waiting())
        self._grace = grace = GracePeriod(work)
        self.scanner = self._make_scanner()
        self.cleanup = self._make_cleanup()
        self.watch = FolderWatch(self._presence, self.disk, clock, log, self.journal.hold, self._return_to_folder)
        short_tracks = ShortTracks(self.fleet, live, clock, log)
        self._restorer = restorer = Restorer(work, self.attendance, grace, self.refiling.turn, self._restored)
        replay = LogReplay(self.journal, self.history, work)
        meter = DelayMeter(clock, self.statistics.delayed)
        self.copies = CopiesService(work, self._source, self._world.start_thread, self.scanner.wake_waiting)
        self.fleet.observe(self._look_for_new_tracks)
        loops = (self.copies, self.roster, self.pause, self.scanner, self.cleanup, short_tracks, self.courses)
        handing_in = (self.hand_ins, HandInWatch(work, self.hand_ins, self._world.start_thread))
        once = (self.refiling, self.results, grace, restorer, replay)
        for service in (
            self.disk,
            store,
            names,
            *loops,
            *handing_in,
            *once,
            meter,
            self.watch,
        ):  # they start in this order
            service.setServiceParent(self)

    def _today(self) -> datetime.date:
        return self.live.today(self.fleet.now)

    def _roster_reader(self) -> RosterReader:
        folder, live = self.folder, self.live
        planned = partial(planned_moves, folder, live)
        files = RosterFiles(folder.roster, folder.kept_roster, folder.keep_roster, quarantine, planned)
        return RosterReader(files, live, self._today)

    def _make_scanner(self) -> ScannerService:
        live, work = self.live, self._work
        self._detector = detector = Detector(self._http(lambda: live.settings.detection.timeout), self._names, work)
        http = self._http(lambda: live.settings.inspection.timeout)
        runner = VisitRunner(
            Inspector(http, work),
            Downloader(http, work),
            self.refiling,
            work,
            self._store.save,
            self.statistics.report,
            self.results.take,
            lambda tracks: self.copies.wait_for(tracks),
        )
        return ScannerService(detector, runner, self._grace, work, self._names.refresh)

    def _make_cleanup(self) -> CleanupService:
        live = self.live
        http = self._http(
            lambda: live.settings.cleanup.timeout,
            lambda: max(live.settings.cleanup.timeout, live.settings.inspection.timeout),
        )
        return CleanupService(http, self.scanner.visits, self.scanner.drop, self._work)

    def _http(
        self, connect_timeout: Callable[[], float], answer_timeout: Callable[[], float] | None = None
    ) -> DeviceHttp:
        """Return a client with these time-outs in s; that of answers defaults to inspection.timeout."""
        answer_timeout = answer_timeout or (lambda: self.live.settings.inspection.timeout)
        agent, statistics = self._world.agent(connect_timeout), self.statistics
        return DeviceHttp(
            agent,
            self._clock,
            answer_timeout,
            self._parse,
            self.disk.turns.mine,
            statistics.request,
            statistics.bytes_received,
        )

    async def _parse(self, function: Callable[[], T], size: int) -> T:
        """Parse large answers one at a time: one of 8 MB takes a second, and 100 MB of memory. `size` is in bytes."""
        async with self.disk.long_work if size > SHORT else contextlib.nullcontext():
            return await self.disk.run(function)

    def _observe(self) -> None:
        self.journal.observe(self.history.note)
        for name, loop in (("roster", self.roster), ("scan", self.scanner), ("cleanup", self.cleanup)):
            self.statistics.rounds_of(name, loop)
        for observer in (self.scanner.wake_waiting, self.refiling.look_soon, self._store.try_again):
            self.disk.when_it_works_again(observer)
        self.live.observe(self._apply_changes)
        self.live.observe(self.refiling.look_soon)

    def _make_commands(self) -> Commands:
        return Commands(
            work=self._work,
            history=self.history,
            statistics=self.statistics,
            roster=RosterCommands(self._work, self.roster),
            courses=CourseCommands(self._work, self.courses, self.records),
            hand_ins=HandInCommands(self._work, self.hand_ins),
            scanner=self.scanner,
            grace=self._grace,
            journal=self.journal,
            read_again=self.reloading.read_again,
            measured=self.results.of,
            save=self._store.save_now,
            pause=self.pause,
            copies=self.copies,
        )

    def _restored(self) -> None:
        """Start what needs the state of earlier runs."""
        self.results.fill_in()
        self._store.begin()

    def __repr__(self) -> str:
        return f"<Collector into {self.folder.root}, {'running' if self.running else 'not running'}, {self.fleet!r}>"

    def startService(self) -> None:
        """Lock the event folder and start; raises FolderInUse or OSError."""
        self.folder.prepare()
        self._take_lock()
        self._presence.hold()
        self.journal.startService()
        self.log.info("Collecting into {folder}", folder=str(self.folder.root))
        for remark in self.folder.remarks():
            self.log.warn("Event folder: {remark}", remark=remark)
        with contextlib.suppress(OSError):
            self.folder.remove_unfinished()
            self._remove_overlong()
        if leftovers := self.folder.partials.found():
            text = "{tracks} of earlier runs incomplete: each resumes when its device is back and still has it"
            self.log.info(text, tracks=plural(len(leftovers), "track"), count=len(leftovers))
        self.reloading.remark()
        self.copies.begin()
        self.roster.read_first()
        self.pause.read_first()
        self._apply_changes()
        super().startService()

    def _take_lock(self) -> None:
        """Lock the event folder. If its disk is full or broken, the watch tries again, and nothing is stored before."""
        try:
            self._lock.acquire()
        except OSError as error:
            if error.errno not in OF_THE_DISK:
                raise
            self.log.error("Cannot lock the event folder, retrying: {error}", error=str(error))

    def stopService(self) -> Deferred[None]:
        """Stop everything within a few seconds, log what was not collected, and bring the copies up to date."""
        self._stops_at = self._clock.seconds() + STOP_TIMEOUT
        ended: Deferred[None] = Deferred()
        # Not addTimeout: a disk thread that hangs does not end when it is cancelled.
        timeout = HANGING_STOP_TIMEOUT if self.disk.slow else STOP_TIMEOUT
        timer = self._clock.callLater(timeout, self._abandon, ended, timeout)
        self.reloading.stop()

        def end(_: object) -> None:
            if not ended.called:
                timer.cancel()
                ended.callback(None)

        maybeDeferred(super().stopService).addBoth(end)
        return ended.addCallback(lambda _: Deferred.fromCoroutine(self._close()))

    def reload(self) -> None:
        """Apply the configuration as it is now; if it is invalid, log an error and keep the previous one."""
        self.reloading.reload()

    def conditions(self) -> tuple[Condition, ...]:
        """Return the state of scanning, names, downloads, event folder, roster, copies, hand-ins and clock."""
        now = self._clock.seconds()
        today = self._today()
        interval = self.live.settings.scan.interval
        expected = len(self.live.roster.carriers(today))
        return (
            health.scanning(bool(self.scanner.running), self.scanner.last_round, interval, now),
            health.names(self._names.trouble, self._detector.portal.trouble),
            health.downloads(self.disk.trouble, self.pause.reason, self.disk.slow),
            health.folder(self.watch.trouble),
            health.roster(self.roster.trouble),
            *health.copies(self.copies.reports(), self.copies.tracks),
            *health.hand_ins(self.records.without_owner(today)),
            health.clock(self.fleet.now, today, expected, self.fleet, self.live.days),
        )

    def _check_disk(self) -> None:
        self._presence.check()
        self._remove_overlong()
        self.folder.check_writable()
        self._work.space.check()

    def _remove_overlong(self) -> None:
        """Remove partial tracks that are longer than listed, before they fill the disk for good. Blocks."""
        for path in self.folder.remove_overlong(self.live.settings.downloads.largest_track * MB):
            self.log.warn("Removed {path}: it is longer than its device lists the track", path=path.name)

    def _return_to_folder(self, is_new: bool) -> None:
        """Go on in the event folder; if it comes from another mount, believe only what is in it."""
        self.journal.release()
        self._store.write_again()
        if is_new:
            self.folder.partials.forget()
            for visit in self.scanner.visits.values():
                visit.forget_files()
                visit.wake()
            self._restorer.check_collected()

    def _apply_changes(self) -> None:
        """Follow a new roster or new settings."""
        roster = self.live.roster
        self._remarks.on_days_and_limits()
        numbers = (target.identifier for target in self.live.targets())
        self.fleet.expect({number: roster.sailor(number) for number in numbers if number})
        if not self.scanner.running:
            return
        self.scanner.wake_affected()
        self.scanner.scan_now()

    async def _finish_copies(self, seconds: float) -> None:
        """Copy what was written last, for at most some seconds, even if a disk hangs."""
        waiting: Deferred[None] = Deferred()
        timer = self._clock.callLater(seconds, waiting.callback, None)

        def end(_: object) -> None:
            if not waiting.called:
                timer.cancel()
                waiting.callback(None)

        finishing = Deferred.fromCoroutine(self.copies.finish(seconds)).addBoth(end)
        await waiting
        self.abandoned = not finishing.called
        self.copies.abandon()

    def _look_for_new_tracks(self, before: Device, after: Device) -> None:
        if before.downloading and not after.downloading:
            self.copies.look_soon()

    def _abandon(self, ended: Deferred[None], timeout: float) -> None:
        self.abandoned = True
        self.log.error("Shutdown timed out after {seconds:g} s", seconds=timeout)
        ended.callback(None)

    async def _close(self) -> None:
        summarise(self.fleet, self.log)
        self.abandoned = self.abandoned or not answers(self.folder.root, PROBE_TIMEOUT)
        self.journal.stopService()
        if not self.abandoned:
            least, most = LAST_COPY
            await self._finish_copies(min(max(self._stops_at - self._clock.seconds(), least), most))
        if not self.abandoned:  # closing a file of a disk that hangs waits for it
            self._presence.release()
            self._lock.release()
