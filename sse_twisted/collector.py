"""The collector: all services and what they share, put together."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred

from sse_twisted.cleanup import CleanupService, what_is_missing
from sse_twisted.collection import Collection
from sse_twisted.detection import Detector
from sse_twisted.disk import Disk
from sse_twisted.downloads import MB, Downloader
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.fleet import Fleet, Stage
from sse_twisted.in_force import InForce
from sse_twisted.inspection import Inspector
from sse_twisted.journal import Journal
from sse_twisted.motion.client import MotionClient
from sse_twisted.refiling import RefilingService
from sse_twisted.roster_file import RosterService
from sse_twisted.scanner import ScannerService
from sse_twisted.settings import Settings, SettingsError, differences
from sse_twisted.world import World

STOP_WITHIN = 4.0  # s for all that runs to let go; what takes longer is left behind


class Collector(MultiService):
    """Collects all devices of an event into its folder, for as long as it runs."""

    def __init__(
        self, folder: EventFolder, settings: Settings, read_settings: Callable[[], Settings], world: World
    ) -> None:
        """`read_settings` reads the configuration again; it may raise SettingsError."""
        super().__init__()
        self.in_force = in_force = InForce(settings)
        self.journal = Journal(folder.logs, lambda: in_force.settings.log)
        self.log = log = self.journal.log
        clock = world.clock
        self.fleet = fleet = Fleet(clock.seconds, log)
        self.disk = disk = Disk(world.start_in_thread, clock, log, self._check_disk)
        self._folder = folder
        self._lock = FolderLock(folder.root)
        self._read_settings = read_settings
        self._clock = clock
        names = world.names(lambda: in_force.settings.names, log)
        client = MotionClient(world.agent(lambda: in_force.settings.inspection.timeout), clock)
        hasty_client = MotionClient(world.agent(lambda: in_force.settings.detection.timeout), clock)
        detector = Detector(hasty_client, names, fleet, in_force, log)
        inspector = Inspector(client, folder, disk, fleet, in_force, log)
        downloader = Downloader(client, folder, disk, fleet, in_force, log)
        self.refiling = RefilingService(folder, disk, in_force, clock, log)
        collection = Collection(inspector, downloader, folder, disk, fleet, in_force, self.refiling, clock, log)
        self.scanner = ScannerService(detector, collection, fleet, in_force, clock, log, names.refresh)
        self.cleanup = CleanupService(client, self.scanner.visits, self.scanner.drop, fleet, in_force, clock, log)
        self.roster = RosterService(folder, disk, in_force, clock, log)
        for service in (disk, names, self.roster, self.refiling, self.scanner, self.cleanup):
            service.setServiceParent(self)
        disk.when_it_works_again(self.scanner.wake_all)
        disk.when_it_works_again(self.refiling.look_soon)
        in_force.observe(self._take_changes)
        in_force.observe(self.refiling.look_soon)

    def startService(self) -> None:
        """Take the event folder and begin; raises FolderInUse or OSError if it can't be had."""
        self._folder.prepare()
        self._lock.acquire()
        self.journal.startService()
        self.log.info("Collecting into {folder}", folder=str(self._folder.root))
        if leftovers := self._folder.leftovers():
            text = "{count} tracks were cut off by the end of an earlier run: they go on when their devices are back"
            self.log.info(text, count=len(leftovers))
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
        try:
            settings = self._read_settings()
        except SettingsError as error:
            self.log.error("The configuration before stays in force: {error}", error=str(error))
            return
        changed = list(differences(self.in_force.settings, settings))
        for change in changed:
            later = " (from the next start on)" if change.startswith("event.folder") else ""
            self.log.info("Configuration: {change}{later}", change=change, later=later)
        if not changed:
            self.log.info("The configuration is as before")
        self.in_force.change(settings=settings)
        self.scanner.reconfigure()
        self.cleanup.reconfigure()
        self.journal.reconfigure()

    def _check_disk(self) -> None:
        reserve = self.in_force.settings.downloads.disk_reserve * MB
        self._folder.check_writable()
        free = self._folder.free()
        if free < reserve:
            raise OSError(f"only {free / MB:,.0f} MB free")

    def _take_changes(self) -> None:
        """The roster or the settings are others now."""
        roster = self.in_force.roster
        numbers = (target.identifier for target in self.in_force.targets())
        self.fleet.expect({number: roster.sailor(number) for number in numbers if number})
        if not self.scanner.running:
            return
        for visit in self.scanner.visits.values():
            if visit.claims != self.in_force.claims(visit.identifier, visit.timezone):
                visit.wake()
        self.scanner.round_now()

    def _leave_behind(self, ended: Deferred[None]) -> None:
        self.log.error("Not everything ended within {seconds:g} s", seconds=STOP_WITHIN)
        ended.callback(None)

    def _close(self, _: object) -> None:
        self._summarise()
        self.journal.stopService()
        self._lock.release()

    def _summarise(self) -> None:
        for device in self.fleet:
            if device.left_early:
                self.log.error("{device} left too early - {lost}", device=device.name, lost=device.left_early)
            elif device.present and device.stage is not Stage.COLLECTED:
                self.log.error("{device} is not collected - {lost}", device=device.name, lost=what_is_missing(device))
        collected = sum(
            device.stage in (Stage.COLLECTED, Stage.GONE) and not device.left_early for device in self.fleet
        )
        text = "The collector stops: {collected} devices collected since its start"
        self.log.info(text, collected=collected)
