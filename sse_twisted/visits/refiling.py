"""After a change of the roster: the tracks of devices that are away get the names that it gives them now.

Those of a device that is here get theirs when its visit looks at all its tracks (`collection`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall

from sse_twisted.config.filing import FilingRules
from sse_twisted.devices.driver import Listing
from sse_twisted.event_folder.ledger import Ledger
from sse_twisted.event_folder.moves import Left, Move, Step, refile
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.runtime.disk import DiskTrouble, PathTrouble
from sse_twisted.runtime.tasks import Tasks

LOOK = "look"
SETTLED = 5.0  # s without another change: a roster is often saved twice, or in two halves


class RefilingService(Service):
    """Moves tracks, one device at a time, each while nobody else works with its ledger."""

    def __init__(self, work: Workplace, moved: Callable[[int, str, str], object] = lambda *_: None) -> None:
        """`moved` is told of the device, the name before and the name now of each track that was moved."""
        self._moved = moved
        self._work = work
        self._turns: defaultdict[int, DeferredLock] = defaultdict(DeferredLock)
        self._one_at_a_time = DeferredLock()
        self._filed: dict[int, FilingRules] = {}  # by which the tracks of a device that is away have their names
        self._said: set[tuple[int, Left]] = set()
        self._timer: IDelayedCall | None = None
        self._tasks = Tasks(work.log)  # by identifier, and the look at all devices

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
        return self._tasks.stop()

    def look_soon(self) -> None:
        """Look at every device again, when the last change is a moment ago."""
        if not self.running:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._work.clock.callLater(SETTLED, self._look)

    def say(self, identifier: int, step: Step) -> None:
        """Log what was done with a track, or once why it was not."""
        device = self._work.live.drivers.name(identifier)
        if isinstance(step, Move):
            self._moved(identifier, step.old, step.track.name)
            owner = step.track.owner
            sailor = (owner.sailor or owner.file_id) if owner else "nobody on the roster"
            suffix = "; another file is kept in gpslogs/superseded" if step.superseded else ""
            text = "{device} {old} is now {track}: {sailor}{suffix}"
            self._work.log.info(text, device=device, old=step.old, track=step.track.name, sailor=sailor, suffix=suffix)
        elif (identifier, step) not in self._said:
            self._said.add((identifier, step))
            self._work.log.warn("{device} {track} keeps its name: {why}", device=device, track=step.name, why=step.why)

    def _look(self) -> None:
        self._timer = None
        if LOOK not in self._tasks:
            self._start(LOOK, self._begin(), "The tracks of earlier runs")

    def _start(self, key: int | str, work: Coroutine[Any, Any, None], what: str) -> None:
        self._tasks.start(key, self._reporting_trouble(work, what), "{what} could not be moved", what=what)

    async def _begin(self) -> None:
        for identifier in await self._work.disk.write(self._work.folder.identifiers):
            if identifier not in self._tasks:
                self._start(
                    identifier,
                    self._refile_when_away(identifier),
                    f"The tracks of {self._work.live.drivers.name(identifier)}",
                )

    async def _refile_when_away(self, identifier: int) -> None:
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
        if self._work.disk.trouble:
            raise DiskTrouble(self._work.disk.trouble)
        rules = self._rules(identifier)
        steps = await self._work.disk.write(self._steps, identifier, rules)
        while (step := await self._work.disk.write(next, steps, None)) is not None:
            self.say(identifier, step)
        self._filed[identifier] = rules

    def _rules(self, identifier: int) -> FilingRules:
        return self._work.live.filing_rules(identifier, None)

    def _steps(self, identifier: int, rules: FilingRules) -> Iterator[Step]:
        """By the ledger and the settings that the device had last; blocks."""
        ledger = Ledger.read(self._work.folder.ledger_path(identifier), self._work.live.drivers.of(identifier))
        if ledger is None:  # its next visit sets it aside and rebuilds it
            return iter((Left("what it holds", "its ledger can't be read"),))
        rules = evolve(rules, timezone=self._work.folder.timezone(identifier))
        return refile(self._work.folder, identifier, Listing(), rules, ledger)

    async def _reporting_trouble(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await work
        except PathTrouble as error:
            self._work.log.error("{what} keep their names for now: {error}", what=what, error=str(error))
        except DiskTrouble:  # the disk reports it, and when it is over
            return
