"""Rename the tracks of absent devices after a change of the roster.

The tracks of a present device are renamed by its visit (`comparison`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from msgspec.structs import replace
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
from sse_twisted.runtime.turns import in_turns

LOOK = "look"  # the task that starts those of the devices
MAX_LOGGED = 10_000  # remarks that are remembered, not to be logged twice
SETTLE_TIME = 5.0  # s without another change: a roster is often saved twice, or in two halves


class RefilingService(Service):
    """Renames tracks, one device at a time, while no visit uses its ledger."""

    def __init__(self, work: Workplace, moved: Callable[[int, str, str], object]) -> None:
        """`moved` is called with the device, the old name and the new name of each renamed track."""
        self._moved = moved
        self._work = work
        self._turns: defaultdict[int, DeferredLock] = defaultdict(DeferredLock)
        self._one_at_a_time = DeferredLock()
        self._filed: dict[int, FilingRules] = {}  # applied to the tracks of each absent device
        self._logged: set[tuple[int, Left]] = set()
        self._timer: IDelayedCall | None = None
        self._tasks = Tasks(work.log)  # by identifier, and LOOK

    def turn(self, identifier: int) -> DeferredLock:
        """Return the lock of a device's ledger; a visit holds it until its end."""
        return self._turns[identifier]

    def startService(self) -> None:
        """Start with the tracks that an earlier run did not rename."""
        super().startService()
        self._look()

    def stopService(self) -> Deferred[None]:
        """Start no further track; the result fires when the last file is where its ledger says."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self._tasks.stop()

    def look_soon(self) -> None:
        """Check every device again, some seconds after the last change."""
        if not self.running:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._work.clock.callLater(SETTLE_TIME, self._look)

    def say(self, identifier: int, step: Step, *, quietly: bool = False) -> None:
        """Log a renamed track, or once why it could not be renamed; pass renames on only if `quietly`."""
        device = self._work.live.drivers.name(identifier)
        if isinstance(step, Move):
            self._moved(identifier, step.old, step.track.name)
        if quietly:
            return
        if isinstance(step, Move):
            owner = step.track.owner
            sailor = (owner.sailor or owner.file_id) if owner else "unassigned"
            suffix = "; another file is kept in gpslogs/superseded" if step.superseded else ""
            text = "{device} {old} is now {track}: {sailor}{suffix}"
            self._work.log.info(text, device=device, old=step.old, track=step.track.name, sailor=sailor, suffix=suffix)
        elif (identifier, step) not in self._logged:
            if len(self._logged) >= MAX_LOGGED:
                self._logged.clear()
            self._logged.add((identifier, step))
            text = "{device} {track} could not be renamed: {why}"
            self._work.log.warn(text, device=device, track=step.name, why=step.why)

    def _look(self) -> None:
        self._timer = None
        if LOOK not in self._tasks:
            self._start(LOOK, self._begin(), "the tracks of earlier runs")

    def _start(self, key: int | str, work: Coroutine[Any, Any, None], what: str) -> None:
        self._tasks.start(key, self._reporting_trouble(work, what), "Cannot rename {what}", what=what)

    async def _begin(self) -> None:
        identifiers = await self._work.disk.write(self._work.folder.identifiers)
        async for identifier in in_turns(identifiers, self._work.clock):
            if identifier not in self._tasks:
                what = f"the tracks of {self._work.live.drivers.name(identifier)}"
                self._start(identifier, self._refile_when_away(identifier), what)

    async def _refile_when_away(self, identifier: int) -> None:
        """Wait until the device is absent and no other device is being refiled, then refile it."""
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
        """Rename by the ledger and the last known settings of the device; blocks."""
        ledger = Ledger.read(self._work.folder.ledger_path(identifier), self._work.live.drivers.of(identifier))
        if ledger is None:  # the next visit of the device sets it aside and rebuilds it
            return iter((Left("its tracks", "the ledger is unreadable"),))
        rules = replace(rules, timezone=self._work.folder.timezone(identifier))
        return refile(self._work.folder, identifier, Listing(), rules, ledger)

    async def _reporting_trouble(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await work
        except PathTrouble as error:
            self._work.log.error("Cannot rename {what} for now: {error}", what=what, error=str(error))
        except DiskTrouble:  # the Disk reports it
            return
