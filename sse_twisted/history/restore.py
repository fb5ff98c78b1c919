"""Restore the state of the devices when a collector starts in the middle of a day.

Otherwise a restart would expect a hundred collected devices again, and forget which left too early. The source is the
saved state of the last run, or the ledgers if there is none or another program has written since. A device counts as
collected only if its tracks are on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from attrs import define
from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, DeferredLock
from twisted.python.failure import Failure

from sse_twisted.event_folder.ledger import Entries
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device, Stage, missing_fields, what_is_missing
from sse_twisted.history.attendance import Attendance
from sse_twisted.history.store import SavedDevice, SavedState, load_state, saved_fields
from sse_twisted.history.verdict_at_start import PriorOutcome, PriorState, StartupJudge
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.turns import in_turns
from sse_twisted.visits.grace_period import GracePeriod

Judged = tuple[PriorState | None, Failure | None]

LEFT = "left too early, before this start"
LOST = "was collected before this start, but its tracks are not all here"


@define(eq=False, slots=False)
class Restorer(Service):
    """Reads saved state and ledgers once, and updates the fleet, except for devices already detected."""

    _work: Workplace
    _attendance: Attendance
    _grace: GracePeriod
    _turn: Callable[[int], DeferredLock]  # the lock of a device's ledger
    _restored: Callable[[], None]  # called when all devices are restored

    def __attrs_post_init__(self) -> None:
        self._tasks = Tasks(self._work.log)

    def startService(self) -> None:
        super().startService()
        self._tasks.start("restore", self._run(), "Restoring the state of the devices failed")

    def stopService(self) -> None:
        super().stopService()
        self._tasks.stop()

    def check_collected(self) -> None:
        """Check whether the tracks of devices that are collected and gone are in the folder that came back."""
        self._tasks.start("check", self._check_collected(), "Checking the collected devices failed")

    async def _check_collected(self) -> None:
        judge = StartupJudge(
            self._work.folder, SavedState(), self._work.live.today(self._work.fleet.now), self._work.live
        )
        for device in [device for device in self._work.fleet if device.is_collected and not device.present]:
            missing = await self._work.disk.run(judge.missing, device)
            if missing and self._work.fleet[device.identifier] == device:
                named, wanted = missing_fields(missing), max(device.wanted, len(missing))
                lost = what_is_missing(replace(device, wanted=wanted, **named))
                self._work.fleet.update(device.identifier, stage=Stage.GONE, left_early=lost, **named)
                text = "{device} was collected, but its tracks are not all in the folder that came back - {lost}"
                self._work.log.error(text, device=device.name, lost=lost)

    async def _run(self) -> None:
        state, remark = await self._work.disk.run(load_state, self._work.folder.state_file)
        if remark:
            self._work.log.error("Saved state is unreadable, rebuilding it from the ledgers: {remark}", remark=remark)
        try:
            await self._restore(state or SavedState())
        except CancelledError:
            raise
        except Exception:
            if state is None:  # otherwise the only copy of the state is on disk, and must stay there
                self._restored()
            raise
        self._restored()

    async def _restore(self, state: SavedState) -> None:
        now = self._work.fleet.now
        judge = StartupJudge(self._work.folder, state, self._work.live.today(now), self._work.live)
        ledgers = await self._work.disk.run(self._work.folder.all_entries)
        identifiers = sorted(ledgers.keys() | state.devices.keys())
        judged = await self._work.disk.run(_judge_all, judge, {each: ledgers.get(each, {}) for each in identifiers})
        midnight = self._work.live.day_began_at(now)
        async for identifier, (prior, failure) in in_turns(judged.items(), self._work.clock):
            if failure is not None:
                text = "Judging the saved state of {device} failed; it counts as not collected"
                self._work.log.failure(text, failure, device=self._work.fleet[identifier].name)
            if prior is not None:
                self._update(identifier, prior, judge)
            if (saved := state.devices.get(identifier)) is not None:
                self._remark_on_waiver(identifier, saved)
                # A visit whose end was not seen lasted at least until the state was saved.
                visits = (replace(v, left=v.left or state.saved_at) for v in saved.visits)
                self._attendance.restore(identifier, [visit for visit in visits if (visit.left or 0.0) >= midnight])

    def _update(self, identifier: int, prior: PriorState, judge: StartupJudge) -> None:
        """Update the fleet, unless the device was detected meanwhile."""
        now, was = self._work.fleet[identifier], prior.device
        if now.stage is not Stage.ABSENT or now.left_early:
            return
        lost = was.left_early or what_is_missing(replace(was, sailor=now.sailor))
        known = {key: value for key, value in saved_fields(was).items() if key not in ("stage", "left_early", "waived")}
        match prior.outcome:
            case PriorOutcome.COLLECTED:
                self._work.fleet.update(identifier, **known, stage=Stage.GONE)
            case PriorOutcome.WAIVED:
                self._work.fleet.update(identifier, **known, stage=Stage.GONE, waived=was.waived)
            case PriorOutcome.LEFT_EARLY:
                self._work.fleet.update(identifier, **known, stage=Stage.GONE, left_early=lost)
                self._work.log.error("{device} {text} - {lost}", device=now.name, text=LEFT, lost=lost)
            case PriorOutcome.NOT_DONE:
                self._work.fleet.update(identifier, **known, left_early=lost)
                self._grace.wait_for(identifier, LEFT)
            case PriorOutcome.LOST:
                self._work.fleet.update(identifier, **known, left_early=lost)
                self._grace.wait_for(identifier, LOST, partial(self._is_here, was, judge))

    def _remark_on_waiver(self, identifier: int, saved: SavedDevice) -> None:
        """Log that a waiver of today has ended, because the device has answered since the state was saved."""
        device, now = self._work.fleet[identifier], self._work.fleet.now
        if saved.waived and not device.waived and self._work.live.is_same_day(saved.since, now):
            text = "{device} is no longer waived: it has been connected since"
            self._work.log.info(text, device=device.name)

    async def _is_here(self, device: Device, judge: StartupJudge) -> bool:
        """Whether all tracks of a device are stored; its lock keeps them from being renamed meanwhile."""
        async with self._turn(device.identifier):
            return await self._work.disk.run(judge.is_here, device)


def _judge_all(judge: StartupJudge, ledgers: Mapping[int, Entries]) -> dict[int, Judged]:
    """Judge each device, in a thread; a device whose judgement fails is not done, and comes with the failure."""
    judged: dict[int, Judged] = {}
    for identifier, entries in ledgers.items():
        try:
            judged[identifier] = judge.judge(identifier, entries), None
        except Exception:  # noqa: BLE001 - the other devices must be judged
            judged[identifier] = judge.not_done(identifier), Failure()
    return judged
