"""After a change of the roster: the tracks of devices that are away get the names that it gives them now.

Those of a device that is here get theirs when its visit looks at all its tracks (`collection`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.live import LiveConfig
from sse_twisted.devices.driver import Listing
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Ledger
from sse_twisted.event_folder.moves import Left, Move, Step, refile
from sse_twisted.runtime.disk import Disk, DiskTrouble, PathTrouble

SETTLED = 5.0  # s without another change: a roster is often saved twice, or in two halves


class RefilingService(Service):
    """Moves tracks, one device at a time, each while nobody else works with its ledger."""

    def __init__(
        self,
        folder: EventFolder,
        disk: Disk,
        live: LiveConfig,
        clock: IReactorTime,
        log: Logger,
        moved: Callable[[int, str, str], object] = lambda *_: None,
    ) -> None:
        """`moved` is told of the device, the name before and the name now of each track that was moved."""
        self._moved = moved
        self._folder = folder
        self._disk = disk
        self._live = live
        self._clock = clock
        self._log = log
        self._turns: defaultdict[int, DeferredLock] = defaultdict(DeferredLock)
        self._one_at_a_time = DeferredLock()
        self._filed: dict[int, FilingRules] = {}  # by which the tracks of a device that is away have their names
        self._said: set[tuple[int, Left]] = set()
        self._timer: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None
        self._at_work: dict[int, Deferred[None]] = {}

    def turn(self, identifier: int) -> DeferredLock:
        """Held by whoever works with a device's ledger: its visit for as long as it lasts, or this service."""
        return self._turns[identifier]

    def startService(self) -> None:
        """Begin with what an earlier run left under other names."""
        super().startService()
        self._look()

    def stopService(self) -> Deferred[None]:
        """Begin with no further track; fires when the last file is where its ledger says."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        works = [work for work in (self._looking, *self._at_work.values()) if work is not None]
        ended = DeferredList([work.addBoth(lambda _: None) for work in works])
        for work in works:
            work.cancel()
        return ended.addCallback(lambda _: None)

    def look_soon(self) -> None:
        """Look at every device again, when the last change is a moment ago."""
        if not self.running:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.callLater(SETTLED, self._look)

    def say(self, identifier: int, step: Step) -> None:
        """Log what was done with a track, or once why it was not."""
        device = self._live.drivers.name(identifier)
        if isinstance(step, Move):
            self._moved(identifier, step.old, step.track.name)
            owner = step.track.owner
            sailor = (owner.sailor or owner.file_id) if owner else "nobody on the roster"
            suffix = "; another file is kept in gpslogs/superseded" if step.superseded else ""
            text = "{device} {old} is now {track}: {sailor}{suffix}"
            self._log.info(text, device=device, old=step.old, track=step.track.name, sailor=sailor, suffix=suffix)
        elif (identifier, step) not in self._said:
            self._said.add((identifier, step))
            self._log.warn("{device} {track} keeps its name: {why}", device=device, track=step.name, why=step.why)

    def _look(self) -> None:
        self._timer = None
        if self._looking is None:
            self._looking = Deferred.fromCoroutine(self._begin())
            self._looking.addErrback(self._report, "The tracks of earlier runs")
            self._looking.addBoth(self._looked)

    def _looked(self, _: object) -> None:
        self._looking = None

    async def _begin(self) -> None:
        for identifier in await self._disk.write(self._folder.identifiers):
            if identifier not in self._at_work:
                work = Deferred.fromCoroutine(self._work(identifier))
                self._at_work[identifier] = work
                work.addErrback(self._report, f"The tracks of {self._live.drivers.name(identifier)}")
                work.addBoth(self._forget, identifier)

    async def _work(self, identifier: int) -> None:
        """Wait until the device is away, and until it is its turn among the others; and see that it still is away."""
        turn = self.turn(identifier)
        while self._filed.get(identifier) != self._rules(identifier):
            async with turn:
                pass
            async with self._one_at_a_time:
                if not turn.locked:
                    async with turn:
                        await self._refile(identifier)

    async def _refile(self, identifier: int) -> None:
        if self._disk.trouble:
            raise DiskTrouble(self._disk.trouble)
        rules = self._rules(identifier)
        steps = await self._disk.write(self._steps, identifier, rules)
        while (step := await self._disk.write(next, steps, None)) is not None:
            self.say(identifier, step)
        self._filed[identifier] = rules

    def _rules(self, identifier: int) -> FilingRules:
        return self._live.filing_rules(identifier, None)

    def _steps(self, identifier: int, rules: FilingRules) -> Iterator[Step]:
        """By the ledger and the settings that the device had last; blocks."""
        ledger = Ledger.read(self._folder.ledger_path(identifier), self._live.drivers.of(identifier))
        if ledger is None:  # its next visit sets it aside and rebuilds it
            return iter((Left("what it holds", "its ledger can't be read"),))
        rules = evolve(rules, timezone=self._folder.timezone(identifier))
        return refile(self._folder, identifier, Listing(), rules, ledger)

    def _forget(self, _: object, identifier: int) -> None:
        del self._at_work[identifier]

    def _report(self, failure: Failure, what: str) -> None:
        if failure.check(PathTrouble):
            self._log.error("{what} keep their names for now: {error}", what=what, error=str(failure.value))
        elif not failure.check(CancelledError, DiskTrouble):  # the disk tells of its trouble, and when it is over
            self._log.failure("{what} could not be moved", failure, what=what)
