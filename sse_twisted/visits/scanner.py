"""The scanner: in each round it hands out, for each device that is not there, a Deferred that looks for it.

The Deferred goes on, if the device is found, through its whole visit: inspection, downloads and verdict are chained to
its detection. It ends when nobody was found, or when the cleanup cancels it because the device has gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.config.live import LiveConfig, Target
from sse_twisted.fleet import Fleet, Stage, what_is_missing
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.visits.detection import Detector, Sighting
from sse_twisted.visits.grace_period import GracePeriod
from sse_twisted.visits.runner import VisitRunner
from sse_twisted.visits.visit import Visit

AT_ONCE = 16  # searches begun in one go
PAUSE = 0.01  # s between; a thousand take less than a second


class ScannerService(PeriodicService):
    """Starts visits. `refresh` is called before each round."""

    def __init__(
        self,
        detector: Detector,
        collection: VisitRunner,
        fleet: Fleet,
        live: LiveConfig,
        grace: GracePeriod,
        clock: IReactorTime,
        log: Logger,
        refresh: Callable[[], None],
    ) -> None:
        super().__init__(clock, log, lambda: live.settings.scan.interval)
        self.visits: dict[int, Visit] = {}
        self._detector = detector
        self._collection = collection
        self._fleet = fleet
        self._live = live
        self._grace = grace
        self._refresh = refresh
        self._queue: dict[Target, None] = {}  # of this round, in order
        self._timer: IDelayedCall | None = None
        self._searches: dict[Target, Deferred[Any]] = {}
        self._collecting: dict[int, Deferred[None]] = {}

    def stopService(self) -> Deferred[None]:
        """End all searches and visits; fires when the last one has let go of its files and sockets."""
        super().stopService()
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        searches = list(self._searches.values())
        ended = DeferredList([search.addBoth(lambda _: None) for search in searches])
        for search in reversed(searches):  # else each would hand its place to the next, which is cancelled as well
            search.cancel()
        return ended.addCallback(lambda _: None)

    def round(self) -> None:
        """Look for everybody who is not there; without waiting for anybody."""
        self._refresh()
        idle = not self._queue
        self._queue.update(dict.fromkeys(self._live.targets()))
        if idle:
            self._start_some()

    def wake_waiting(self) -> None:
        """Have every device that is there and not collected looked at again."""
        for visit in self.visits.values():
            if self._fleet[visit.identifier].stage is not Stage.COLLECTED:
                visit.wake()

    def drop(self, visit: Visit) -> None:
        """End a visit: its device has gone, or is to be forgotten. Until it has let go it counts no more."""
        visit.dropped = True
        if (collecting := self._collecting.get(visit.identifier)) is not None:
            collecting.cancel()

    def _start_some(self) -> None:
        """Begin some searches, and the others a moment later: a thousand in one go would block the reactor."""
        self._timer = None
        for target in list(self._queue)[:AT_ONCE]:
            del self._queue[target]
            if target not in self._searches and target.identifier not in self.visits:
                self._search(target)
        if self._queue:
            self._timer = self._clock.callLater(PAUSE, self._start_some)

    def _search(self, target: Target) -> None:
        search = Deferred.fromCoroutine(self._detector.detect(target))
        self._searches[target] = search
        search.addCallback(self._begin_visit)
        search.addErrback(self._report, target)
        search.addBoth(self._forget, target)

    def _begin_visit(self, sighting: Sighting | None) -> Deferred[None] | None:
        if sighting is None or sighting.identifier in self.visits or not self.running:
            return None
        visit = Visit(sighting.identifier, sighting.address, sighting.driver)
        self.visits[visit.identifier] = visit
        collecting = Deferred.fromCoroutine(self._collection.collect(visit, sighting))
        self._collecting[visit.identifier] = collecting
        return collecting.addBoth(self._end_visit, visit)

    def _end_visit(self, result: Failure | None, visit: Visit) -> Failure | None:
        del self.visits[visit.identifier]
        self._collecting.pop(visit.identifier, None)
        if isinstance(result, Failure) and self.running and not visit.dropped:
            self._log.failure("{device} could not be handled", result, device=visit.name)
            self._lose(visit)
            return None
        return result

    def _lose(self, visit: Visit) -> None:
        """A mishap of our own has ended a visit: the device is most likely there, and the next round will find it."""
        device = self._fleet[visit.identifier]
        if device.stage is Stage.COLLECTED:
            self._fleet.update(visit.identifier, stage=Stage.GONE)
            return
        self._fleet.update(visit.identifier, stage=Stage.ABSENT, left_early=what_is_missing(device), waived="")
        self._grace.wait_for(visit.identifier)

    def _forget(self, _: object, target: Target) -> None:
        del self._searches[target]

    def _report(self, failure: Failure, target: Target) -> None:
        if failure.check(CancelledError):
            return
        self._log.failure("{target} could not be handled", failure, target=str(target))
