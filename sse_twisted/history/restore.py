"""What a collector that starts in the middle of the day knows of the day so far.

Without that, a restart would make a hundred devices that lie switched off in the bucket "expected" again, and forget
who left too early. The memory of the run before says it; where there is none, or somebody else has worked since, the
ledgers do. What either calls collected counts only if the tracks are on disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.config.live import LiveConfig
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Device, Fleet, Stage, what_is_missing
from sse_twisted.history.attendance import Attendance
from sse_twisted.history.store import KEPT, LoadedState, SavedDevice, load_state
from sse_twisted.history.verdict_at_start import PriorOutcome, PriorState, StartupJudge
from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.turns import in_turns
from sse_twisted.visits.grace_period import GracePeriod

LEFT = "left too early, before this start"
LOST = "was collected before this start, but its tracks are not all here"


class Restorer(Service):
    """Reads memory and ledgers once, and tells the fleet of devices that nobody has met yet."""

    def __init__(
        self,
        folder: EventFolder,
        disk: Disk,
        fleet: Fleet,
        live: LiveConfig,
        attendance: Attendance,
        grace: GracePeriod,
        turn: Callable[[int], DeferredLock],
        clock: IReactorTime,
        log: Logger,
        told: Callable[[], None],
    ) -> None:
        """`turn` is held by whoever works with a device's ledger; `told` is called when the fleet knows everything."""
        self._log = log
        self._tasks = Tasks(log)
        self._folder = folder
        self._disk = disk
        self._fleet = fleet
        self._live = live
        self._attendance = attendance
        self._grace = grace
        self._turn = turn
        self._clock = clock
        self._told = told

    def startService(self) -> None:
        """Begin to read."""
        super().startService()
        self._tasks.start("restore", self._restore(), "What was known of the day could not be told")

    def stopService(self) -> None:
        """Tell nothing more."""
        super().stopService()
        self._tasks.stop()

    async def _restore(self) -> None:
        found = await self._disk.run(load_state, self._folder.memory)
        if found.remark:
            text = "What was known of the day could not be read ({remark}): the ledgers tell instead"
            self._log.error(text, remark=found.remark)
        try:
            await self._tell_all(found)
        except CancelledError:
            raise
        except Exception:
            if found.memory is None:  # else what it knows is on disk alone, and must stay there
                self._told()
            raise
        self._told()

    async def _tell_all(self, found: LoadedState) -> None:
        now = self._fleet.now
        since = self._live.day_began_at(now)
        judge_at_start = StartupJudge(self._folder, found, self._live.today(now), self._live)
        pasts, failures = await self._disk.run(self._pasts, judge_at_start, found)
        for identifier, failure in failures.items():
            text = "What was known of {device} can't be judged: it counts as not done"
            self._log.failure(text, failure, device=f"motion-{identifier}")
        async for identifier, past in in_turns(pasts.items(), self._clock):
            if past is not None:
                self._tell(identifier, past, judge_at_start)
            if found.memory is not None and (remembered := found.memory.devices.get(identifier)) is not None:
                self._recall_visits(identifier, remembered, found.memory.saved_at, since)

    def _pasts(
        self, judge_at_start: StartupJudge, found: LoadedState
    ) -> tuple[dict[int, PriorState | None], dict[int, Failure]]:
        """What became of each device, and why that can't be judged of some; in a thread."""
        ledgers = self._folder.all_entries()
        identifiers = ledgers.keys() | (found.memory.devices.keys() if found.memory else set())
        pasts: dict[int, PriorState | None] = {}
        failures: dict[int, Failure] = {}
        for identifier in sorted(identifiers):
            try:
                pasts[identifier] = judge_at_start.past(identifier, ledgers.get(identifier, {}))
            except Exception:  # noqa: BLE001 - whatever it is, the others must be told
                failures[identifier] = Failure()
                pasts[identifier] = judge_at_start.not_judged(identifier)
        return pasts, failures

    def _recall_visits(self, identifier: int, remembered: SavedDevice, saved_at: float, since: float) -> None:
        """Those of today; of one that nobody saw the end of, it is known how long it lasted at least."""
        stays = (evolve(stay, left=saved_at) if stay.left is None else stay for stay in remembered.visits)
        if of_today := [stay for stay in stays if (stay.left or 0.0) >= since]:
            self._attendance.recall(identifier, of_today)

    def _tell(self, identifier: int, past: PriorState, judge_at_start: StartupJudge) -> None:
        """Of a device that was met meanwhile more is known than that."""
        now, was = self._fleet[identifier], past.device
        if now.stage is not Stage.ABSENT or now.left_early:
            return
        known = {name: getattr(was, name) for name in KEPT if name not in ("stage", "left_early", "waived")}
        lost = was.left_early or what_is_missing(evolve(was, sailor=now.sailor))
        match past.fate:
            case PriorOutcome.COLLECTED:
                self._fleet.update(identifier, **known, stage=Stage.GONE)
            case PriorOutcome.WAIVED:
                self._fleet.update(identifier, **known, stage=Stage.GONE, waived=was.waived)
            case PriorOutcome.LEFT_EARLY:
                self._fleet.update(identifier, **known, stage=Stage.GONE, left_early=lost)
                self._log.error("{device} {text} - {lost}", device=was.name, text=LEFT, lost=lost)
            case PriorOutcome.NOT_DONE:
                self._fleet.update(identifier, **known, left_early=lost)
                self._grace.wait_for(identifier, LEFT)
            case PriorOutcome.LOST:
                self._fleet.update(identifier, **known, left_early=lost)
                self._grace.wait_for(identifier, LOST, self._is_here(was, judge_at_start))

    def _is_here(self, device: Device, judge_at_start: StartupJudge) -> Callable[[], Awaitable[bool]]:
        """A look at what is on disk, while nobody moves it."""

        async def look() -> bool:
            async with self._turn(device.identifier):
                return await self._disk.run(judge_at_start.is_here, device)

        return look
