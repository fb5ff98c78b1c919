"""The scanner: each scan starts a Deferred for each absent device, which looks for it. One of very many takes longer.

A scan is spread over its interval: when an access point comes back, the first of a hundred devices is found at once. An
arrival begins another scan, in a hurry, since devices that are woken together come together.

If the device is found, the Deferred continues through its whole visit: inspection, downloads and verdict are chained to
its detection. It ends when no device was found, or when the cleanup cancels it because the device has gone.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from sse_twisted.config.live import Target
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Stage, what_is_missing
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.turns import in_turns
from sse_twisted.visits.batches import BATCH_SIZE, Batches
from sse_twisted.visits.detection import Detector, Sighting
from sse_twisted.visits.grace_period import GracePeriod
from sse_twisted.visits.runner import VisitRunner
from sse_twisted.visits.visit import Visit

SPREAD = 0.9  # of the interval, in which the searches of a scan start
SOON = 0.5  # s between two scans for the others of a bucket
MOST_SOON = 300  # absent devices, of which a scan takes 30 ms of the reactor's time; of more, none is done sooner
SHORT_PAUSE = 0.005  # s between two batches in a hurry: three hundred searches start within 0.2 s
LONG_PAUSE = 0.025  # s at least between two others: 320 searches a second take some 5 % of a core


class ScannerService(PeriodicService):
    """Starts visits. `refresh` is called before each scan."""

    def __init__(
        self, detector: Detector, runner: VisitRunner, grace: GracePeriod, work: Workplace, refresh: Callable[[], None]
    ) -> None:
        super().__init__(work.clock, work.log, lambda: work.live.settings.scan.interval)
        self.visits: dict[int, Visit] = {}
        self._detector = detector
        self._runner = runner
        self._grace = grace
        self._work = work
        self._refresh = refresh
        self._spread = Batches(work.clock, self._look_for)
        self._hurried = Batches(work.clock, self._look_for)
        self._in_a_hurry = False
        self._extra: IDelayedCall | None = None  # a scan before it is due
        self._searches = Tasks(work.log)
        self._found_by: dict[int, Target] = {}  # the search of each visit

    def stopService(self) -> Deferred[None]:
        """End all searches and visits; fires when the last one has released its files and sockets."""
        super().stopService()
        self._spread.stop()
        self._hurried.stop()
        if self._extra is not None:
            self._extra.cancel()
            self._extra = None
        return self._searches.stop()

    def round(self) -> None:
        """Start to look for every absent device: in the course of the interval, or in a hurry at once."""
        self._refresh()
        absent = [target for target in self._work.live.targets() if self._is_looked_for(target)]
        hurry, self._in_a_hurry = self._in_a_hurry and len(absent) <= MOST_SOON, False
        if hurry:
            self._hurried.add(absent, lambda _: SHORT_PAUSE)
        else:
            self._spread.add(absent, self._even_pause)

    def scan_now(self) -> None:
        """Scan once more, in a hurry unless very many are absent."""
        self._in_a_hurry = True
        self.round_now()

    def _even_pause(self, count: int) -> float:
        """The s between batches of so many targets."""
        interval = self._work.live.settings.scan.interval
        return max(LONG_PAUSE, SPREAD * interval * BATCH_SIZE / max(count, 1))

    def _is_looked_for(self, target: Target) -> bool:
        visit = self.visits.get(target.identifier or 0)
        return visit is None or visit.is_hearsay

    def _scan_for_others(self) -> None:
        """Look for the others that may have come with a device: at once, and again soon."""
        if self._extra is None and len(self._work.live.targets()) - len(self.visits) <= MOST_SOON:
            self._extra = self._work.clock.callLater(0, self._scan_extra, SOON)

    def _scan_extra(self, again: float | None) -> None:
        self._extra = None if again is None else self._work.clock.callLater(again, self._scan_extra, None)
        self.scan_now()

    def wake_waiting(self) -> None:
        """Wake the visits of devices that are present and not collected."""
        for visit in self.visits.values():
            if self._work.fleet[visit.identifier].stage is not Stage.COLLECTED:
                visit.wake()

    def wake_affected(self) -> None:
        """Wake the visits whose devices have other rules than at their last listing."""
        self._searches.start("rules", self._wake_affected(), "Visits could not be woken")

    async def _wake_affected(self) -> None:
        async for visit in in_turns(list(self.visits.values()), self._work.clock):
            if visit.rules != self._work.live.filing_rules(visit.identifier, visit.timezone):
                visit.wake()

    def drop(self, visit: Visit) -> None:
        """End a visit, because its device has gone or is to be reset. It is ignored while it releases its files."""
        visit.dropped = True
        if (target := self._found_by.get(visit.identifier)) is not None:
            self._searches.cancel(target)

    def _look_for(self, target: Target) -> None:
        """Start a Deferred that looks for a target, unless one does."""
        visit = self.visits.get(target.identifier or 0)
        failed = "{target} could not be handled"
        if visit is None and target not in self._searches:
            self._searches.start(target, self._search(target), failed, target=str(target))
        elif visit is not None and visit.is_hearsay and visit not in self._searches:
            self._searches.start(visit, self._prefer_own_name(visit, target), failed, target=str(target))

    async def _prefer_own_name(self, visit: Visit, target: Target) -> None:
        """End a visit that gets nowhere at the place of another device, if the device answers under its own name."""
        if self._work.fleet[visit.identifier].stage is not Stage.ATTENTION:
            return
        address = await self._detector.own_address(target, visit.address)
        if address is None or visit.dropped or visit.identifier not in self.visits:
            return
        text = "{device} answers at {address}; what says at {other} that it is {device} is another one"
        self._work.log.warn(text, device=visit.name, address=str(address), other=str(visit.address))
        self.drop(visit)
        self._work.fleet.update(visit.identifier, stage=Stage.ABSENT, address=address)

    async def _search(self, target: Target) -> None:
        sighting = await self._detector.detect(target)
        if sighting is None or sighting.identifier in self.visits or not self.running:
            return
        is_hearsay = self._detector.is_hearsay(sighting)
        visit = Visit(sighting.identifier, sighting.address, sighting.driver, is_hearsay)
        try:
            await self._visit(visit, sighting, target)
        except Exception:
            if visit.dropped or not self.running:
                raise
            self._work.log.failure("{device} could not be handled", device=visit.name)
            self._lose(visit)

    async def _visit(self, visit: Visit, sighting: Sighting, target: Target) -> None:
        self.visits[visit.identifier] = visit
        self._scan_for_others()
        self._found_by[visit.identifier] = target
        try:
            await self._runner.collect(visit, sighting)
        finally:
            del self.visits[visit.identifier]
            del self._found_by[visit.identifier]

    def _lose(self, visit: Visit) -> None:
        """Record that a visit failed with an internal error: the next scan finds the device if it is present."""
        device = self._work.fleet[visit.identifier]
        if device.stage is Stage.COLLECTED:
            self._work.fleet.update(visit.identifier, stage=Stage.GONE)
            return
        self._work.fleet.update(visit.identifier, stage=Stage.ABSENT, left_early=what_is_missing(device))
        self._grace.wait_for(visit.identifier)
